// Running without the GIL, and taking it again in an interpreter that may be ending meanwhile.
#pragma once

#include <chrono>
#include <thread>

#include "python/common.hpp"

namespace tapwise::python {
namespace detail {

[[noreturn]] inline void wait_for_the_end_of_the_process() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// A daemon thread may come back while the interpreter ends, or after. Before Python 3.14, which lets it wait for ever,
// Python would end the thread: that unwinds its stack, whose destructors need the GIL, and ends the process at the
// first function that must not throw. So it waits here; and in the handler, if the end began while it waited for the
// GIL: unwinding stops at a handler that does not return. The thread that ends the interpreter may still call (__del__
// does): it has the GIL when the end has begun, as no other can, and goes on.
class Unlocked {
 public:
  Unlocked() = default;
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() {
    if (!ending_ && !Py_IsInitialized()) wait_for_the_end_of_the_process();
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      wait_for_the_end_of_the_process();
    }
  }

 private:
  bool ending_ = !Py_IsInitialized();
  PyThreadState* state_ = PyEval_SaveThread();
};

}  // namespace detail

/// What run() returns; the GIL is released while it runs.
template <class Run>
auto unlocked(const Run& run) {
  const detail::Unlocked here;
  return run();
}

}  // namespace tapwise::python
