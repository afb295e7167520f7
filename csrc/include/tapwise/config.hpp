// What differs between the two ways to use the library: compiled, which chooses an instruction set at run time, and
// header-only, which has the one that the including file is compiled for.
//
// TAPWISE_HEADER_ONLY, defined before the first header, makes it the latter.
#pragma once

#include "tapwise/version.hpp"

#define TAPWISE_JOIN_NAMES(a, b) a##b
#define TAPWISE_JOIN(a, b) TAPWISE_JOIN_NAMES(a, b)

#if defined(TAPWISE_HEADER_ONLY)

// Files that are compiled for different instruction sets have namespaces of their own, so that the linker merges
// nothing across them; a name says which, as one of isa.hpp's.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__FMA__)
#define TAPWISE_NATIVE_ISA avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define TAPWISE_NATIVE_ISA avx2
#elif defined(__aarch64__)
#define TAPWISE_NATIVE_ISA neon
#else
#define TAPWISE_NATIVE_ISA scalar
#endif
// The same vectors, with other instructions around them.
#if defined(__AVX2__)
#define TAPWISE_AROUND _avx2
#elif defined(__AVX__)
#define TAPWISE_AROUND _avx
#elif defined(__SSE4_1__)
#define TAPWISE_AROUND _sse4
#else
#define TAPWISE_AROUND
#endif
#define TAPWISE_NAMESPACE TAPWISE_JOIN(TAPWISE_JOIN(header_only_, TAPWISE_NATIVE_ISA), TAPWISE_AROUND)
#define TAPWISE_FUNCTION inline
#define TAPWISE_CLASS
#define TAPWISE_PRIVATE implementation

#else

// The namespace is part of every symbol: a program that was compiled against another ABI does not link.
#define TAPWISE_NAMESPACE TAPWISE_JOIN(abi_, TAPWISE_ABI)
#define TAPWISE_PRIVATE
#if defined(TAPWISE_SHARED)
#define TAPWISE_FUNCTION __attribute__((visibility("default")))
#else
#define TAPWISE_FUNCTION
#endif
#define TAPWISE_CLASS TAPWISE_FUNCTION

#endif
