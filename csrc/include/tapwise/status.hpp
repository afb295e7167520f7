// What every operation returns instead of throwing.
#pragma once

#include <cstdarg>
#include <cstdio>

#include "tapwise/config.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

enum class Code {
  ok,
  invalid_argument,  // a size, stride, dilation, padding or view that no convolution has
  overflow,          // a size whose product does not fit into 63 bits
  unsupported,       // an algorithm or instruction set that is not there
  out_of_memory,     // scratch could not be allocated
  bad_workspace,     // the caller's workspace is too small or misaligned
};

/// A code and, where it is not Code::ok, a sentence that names the operand, what was expected and what was got.
struct [[nodiscard]] Status {
  Code code = Code::ok;
  char message[256] = "";

  explicit operator bool() const noexcept { return code == Code::ok; }

  [[gnu::format(printf, 2, 3)]] static Status error(Code code, const char* format, ...) noexcept {
    Status status;
    status.code = code;
    std::va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(status.message, sizeof status.message, format, arguments);
    va_end(arguments);
    return status;
  }
};

}  // namespace tapwise::inline TAPWISE_NAMESPACE
