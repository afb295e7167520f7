#include "core/workspace.hpp"

#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/checked.hpp"

namespace tapwise {
namespace {

// Large blocks on huge pages, where the system has them: bands and panels lie on many pages otherwise.
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::byte* allocate(std::int64_t bytes) noexcept {
  const auto size = static_cast<std::size_t>(bytes);
  if (size < kHugePage) {
    const auto whole_lines = (size + 63) / 64 * 64;
    return static_cast<std::byte*>(std::aligned_alloc(64, whole_lines));
  }
  auto* const block =
      static_cast<std::byte*>(std::aligned_alloc(kHugePage, (size + kHugePage - 1) / kHugePage * kHugePage));
#if defined(__linux__)
  if (block != nullptr) madvise(block, size, MADV_HUGEPAGE);
#endif
  return block;
}
void release(std::byte* block) noexcept { std::free(block); }

struct Kept {
  std::byte* block = nullptr;
  std::int64_t bytes = 0;
  bool lent = false;
  ~Kept() { release(block); }
};

Kept& kept() noexcept {
  thread_local Kept instance;
  return instance;
}

}  // namespace

Workspace::Workspace(std::int64_t bytes) noexcept {
  if (bytes > kMostBytes) return;
  if (bytes < 1) bytes = 1;
  Kept& k = kept();
  if (bytes > kKeptBytes || k.lent) {
    data_ = allocate(bytes);
    return;
  }
  if (k.bytes < bytes) {
    release(k.block);
    k.block = allocate(bytes);
    k.bytes = k.block == nullptr ? 0 : bytes;
  }
  data_ = k.block;
  borrowed_ = k.lent = data_ != nullptr;
}

Workspace::~Workspace() {
  if (borrowed_) {
    kept().lent = false;
  } else {
    release(data_);
  }
}

}  // namespace tapwise
