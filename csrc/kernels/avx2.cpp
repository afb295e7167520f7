// x86-64 with AVX2 and FMA (2013 on): 8 floats a vector, 16 registers.
#include <immintrin.h>

#define TAPWISE_ISA avx2
#define TAPWISE_VECTOR_BYTES 32
#define TAPWISE_VECTOR_REGISTERS 16
#define TAPWISE_VECTOR_CONSTRAINT "x"
#include "isa-inl.hpp"
