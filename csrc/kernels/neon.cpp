// AArch64, where NEON is part of the base: 4 floats a vector, 32 registers.
#include <arm_neon.h>

#define TAPWISE_ISA neon
#define TAPWISE_VECTOR_BYTES 16
#define TAPWISE_VECTOR_REGISTERS 32
#define TAPWISE_VECTOR_CONSTRAINT "w"
#include "isa-inl.hpp"
