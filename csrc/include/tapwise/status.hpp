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
///
///   if (const tapwise::Status status = tapwise::forward(...); !status.ok())
///     std::fprintf(stderr, "%s\n", status.message());
struct [[nodiscard]] Status {
  Code code = Code::ok;
  char text[256] = "";

  bool ok() const noexcept { return code == Code::ok; }

  /// The sentence; empty where all is well. It lives as long as the status.
  const char* message() const noexcept { return text; }

  /// The same as ok(): true means success, unlike in std::error_code and in C.
  explicit operator bool() const noexcept { return ok(); }

  [[gnu::format(printf, 2, 3)]] static Status error(Code code, const char* format, ...) noexcept {
    Status status;
    status.code = code;
    std::va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(status.text, sizeof status.text, format, arguments);
    va_end(arguments);
    return status;
  }
};

}  // namespace tapwise::inline TAPWISE_NAMESPACE
