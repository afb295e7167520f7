// What AddressSanitizer and ThreadSanitizer have to be told about fibers; nothing at all in other builds.
#pragma once

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TAPWISE_EMULATION_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define TAPWISE_EMULATION_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define TAPWISE_EMULATION_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define TAPWISE_EMULATION_TSAN 1
#endif

#if defined(TAPWISE_EMULATION_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(TAPWISE_EMULATION_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

// Inlined for certain: ThreadSanitizer counts function entries and exits per fiber, so a call that switches fibers must
// not be wrapped in a function that is entered on one fiber and left on another.
#define TAPWISE_EMULATION_INLINE inline __attribute__((always_inline))

namespace tapwise::emulation {

#if defined(TAPWISE_EMULATION_TSAN)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

#if defined(TAPWISE_EMULATION_ASAN) || defined(TAPWISE_EMULATION_TSAN)
inline constexpr std::size_t kStackBytes = 256 * 1024;  // frames grow with instrumentation, and reports are made on it
#else
inline constexpr std::size_t kStackBytes = 64 * 1024;
#endif

namespace asan {
#if defined(TAPWISE_EMULATION_ASAN)
TAPWISE_EMULATION_INLINE void start_switch(void** fake_stack, const void* bottom, std::size_t size) {
  __sanitizer_start_switch_fiber(fake_stack, bottom, size);
}
TAPWISE_EMULATION_INLINE void finish_switch(void* fake_stack, const void** bottom, std::size_t* size) {
  __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
}
#else
TAPWISE_EMULATION_INLINE void start_switch(void**, const void*, std::size_t) {}
TAPWISE_EMULATION_INLINE void finish_switch(void*, const void**, std::size_t*) {}
#endif
}  // namespace asan

namespace tsan {
#if defined(TAPWISE_EMULATION_TSAN)
inline void* create_fiber() { return __tsan_create_fiber(0); }
inline void destroy_fiber(void* fiber) {
  if (fiber != nullptr) __tsan_destroy_fiber(fiber);
}
inline void* current_fiber() { return __tsan_get_current_fiber(); }
// Switching alone orders nothing: only barriers, and the start and end of a launch, do.
TAPWISE_EMULATION_INLINE void switch_to(void* fiber) { __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync); }
inline void release(void* token) { __tsan_release(token); }
inline void acquire(void* token) { __tsan_acquire(token); }
#else
inline void* create_fiber() { return nullptr; }
inline void destroy_fiber(void*) {}
inline void* current_fiber() { return nullptr; }
TAPWISE_EMULATION_INLINE void switch_to(void*) {}
inline void release(void*) {}
inline void acquire(void*) {}
#endif

// The emulation's own bookkeeping is shared by fibers that ThreadSanitizer sees as unordered threads. While one of
// these lives, the current fiber's accesses are not checked, and memory that it allocates or frees is forgotten.
class Unobserved {
 public:
  Unobserved() {
#if defined(TAPWISE_EMULATION_TSAN)
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
  }
  ~Unobserved() {
#if defined(TAPWISE_EMULATION_TSAN)
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
  }
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;
};
}  // namespace tsan

}  // namespace tapwise::emulation
