// x86-64 with AVX-512 F, BW, DQ and VL: 16 floats a vector, 32 registers.
#include <immintrin.h>

#define TAPWISE_ISA avx512
#define TAPWISE_VECTOR_BYTES 64
#define TAPWISE_VECTOR_REGISTERS 32
#define TAPWISE_VECTOR_CONSTRAINT "v"
#include "isa-inl.hpp"
