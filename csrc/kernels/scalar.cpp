// The portable baseline: 16-byte vectors, which the compiler lowers to whatever the target has. Always built.
#define TAPWISE_ISA scalar
#define TAPWISE_VECTOR_BYTES 16
#define TAPWISE_VECTOR_REGISTERS 16
#if defined(__x86_64__)
#define TAPWISE_VECTOR_CONSTRAINT "x"
#elif defined(__aarch64__)
#define TAPWISE_VECTOR_CONSTRAINT "w"
#else
#define TAPWISE_VECTOR_CONSTRAINT "m"
#endif
#include "isa-inl.hpp"
