// The kernels of the instruction set that the including file is compiled for: the header-only build.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "tapwise/config.hpp"

#define TAPWISE_ISA TAPWISE_NATIVE_ISA
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__FMA__)
#define TAPWISE_VECTOR_BYTES 64
#define TAPWISE_VECTOR_REGISTERS 32
#define TAPWISE_VECTOR_CONSTRAINT "v"
#elif defined(__AVX2__) && defined(__FMA__)
#define TAPWISE_VECTOR_BYTES 32
#define TAPWISE_VECTOR_REGISTERS 16
#define TAPWISE_VECTOR_CONSTRAINT "x"
#elif defined(__aarch64__)
#define TAPWISE_VECTOR_BYTES 16
#define TAPWISE_VECTOR_REGISTERS 32
#define TAPWISE_VECTOR_CONSTRAINT "w"
#else
#define TAPWISE_VECTOR_BYTES 16
#define TAPWISE_VECTOR_REGISTERS 16
#if defined(__x86_64__)
#define TAPWISE_VECTOR_CONSTRAINT "x"
#else
#define TAPWISE_VECTOR_CONSTRAINT "m"
#endif
#endif

#include "isa-inl.hpp"
