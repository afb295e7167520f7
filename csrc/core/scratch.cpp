#include "scratch.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "call.hpp"
#include "checked.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// Large blocks on huge pages, where the system has them: bands and panels lie on many pages otherwise.
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace TAPWISE_PRIVATE

Memory::Memory(std::int64_t bytes) noexcept {
  if (bytes < 0 || bytes > kMostBytes) return;
  const auto size = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1));
  const std::size_t alignment = size < kHugePage ? std::size_t{kWorkspaceAlignment} : kHugePage;
  data_ = static_cast<std::byte*>(std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment));
#if defined(__linux__)
  if (data_ != nullptr && size >= kHugePage) madvise(data_, size, MADV_HUGEPAGE);
#endif
  if (data_ != nullptr) bytes_ = bytes;
}

Memory::~Memory() { std::free(data_); }

inline namespace TAPWISE_PRIVATE {
// Destructors of thread_local objects and functions of std::atexit may call when the block is gone. This needs no
// destructor itself, so it is there for all of them.
inline thread_local bool kept_is_gone = false;

struct Kept {
  Memory block;
  bool lent = false;

  ~Kept() { kept_is_gone = true; }
};

inline Kept& kept() noexcept {
  thread_local Kept instance;
  return instance;
}

}  // namespace TAPWISE_PRIVATE

Scratch::Scratch(const Workspace& workspace, std::int64_t bytes) noexcept {
  if (workspace.data != nullptr) {
    if (reinterpret_cast<std::uintptr_t>(workspace.data) % kWorkspaceAlignment != 0)
      status_ =
          Status::error(Code::bad_workspace, "the workspace is not aligned to %" PRId64 " bytes", kWorkspaceAlignment);
    else if (workspace.bytes < bytes)
      status_ = Status::error(Code::bad_workspace, "the workspace has %" PRId64 " bytes, and %" PRId64 " are needed",
                              workspace.bytes, bytes);
    else
      data_ = static_cast<std::byte*>(workspace.data);
    return;
  }
  if (kept_is_gone || bytes > kKeptBytes || kept().lent) {
    own_ = Memory(bytes);
    data_ = own_.data();
  } else {
    Kept& k = kept();
    if (k.block.data() == nullptr || k.block.bytes() < bytes) {
      k.block = Memory();  // given back before the larger one is asked for
      k.block = Memory(bytes);
    }
    data_ = k.block.data();
    borrowed_ = k.lent = data_ != nullptr;
  }
  if (data_ == nullptr) status_ = out_of_memory(bytes);
}

Scratch::~Scratch() {
  if (borrowed_) kept().lent = false;
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
