// Shared memory has 32 banks of four bytes. The loads of the multiply-adds must not meet in one: checked here for the
// addresses that lanes compute, since no result would show it.
#include <cuda_runtime.h>

#include <cstdio>
#include <set>

#include "cuda/simt.hpp"
#include "cuda/tensor_core.hpp"

namespace {

using namespace tapwise::cuda;

int failures = 0;

// A load is done for as many lanes at a time as fill the banks once; lanes that want the same address share it.
// address(lane): in bytes, of `bytes` bytes.
template <class Address>
void expect_free(const char* what, int bytes, Address address) {
  const int at_once = 128 / bytes;
  for (int first = 0; first < 32; first += at_once) {
    std::set<int> addresses, banks;
    for (int lane = first; lane < first + at_once && lane < 32; ++lane) addresses.insert(address(lane));
    for (const int start : addresses)
      for (int b = start; b < start + bytes; b += 4)
        if (!banks.insert(b / 4 % 32).second) {
          std::printf("%s: lanes from %d on meet in bank %d\n", what, first, b / 4 % 32);
          ++failures;
          return;
        }
  }
}

template <class T, Along along, int kLanes>
void check_simt(const char* what) {
  using Math = Simt<T>;
  using A = Tile<T, along, 128>;
  const int bytes = static_cast<int>(sizeof(T)) * (along == Along::depth ? Math::kStep : Math::kChunk);
  for (int i = 0; i < (kLanes == 8 ? Math::kLaneCols : Math::kLaneRows); i += along == Along::depth ? 1 : Math::kChunk)
    for (int k = 0; k < A::kDepth; k += along == Along::depth ? Math::kStep : 1)
      expect_free(what, bytes, [&](int lane) {
        const int own = kLanes == 8 ? lane % 8 : lane / 8;
        const int start = A::index(32 + Math::template first_row<A>(own), k);
        return static_cast<int>(sizeof(T)) * A::beside(start, Math::template more_rows<A, kLanes>(i), 0);
      });
}

template <Along along>
void check_tensor_core(const char* what) {
  using A = Tile<float, along, 128>;
  for (int row = 0; row < 64; row += 8)
    for (int e = 0; e < (along == Along::depth ? 1 : 4); ++e)
      expect_free(what, along == Along::depth ? 16 : 4,
                  [&](int lane) { return 4 * A::beside(A::index(lane / 4, lane % 4 * 4), row, e); });
}

}  // namespace

int main() {
  check_simt<float, Along::depth, 4>("float rows along the depth");
  check_simt<float, Along::depth, 8>("float columns along the depth");
  check_simt<float, Along::rows, 4>("float rows along rows");
  check_simt<float, Along::rows, 8>("float columns along rows");
  check_simt<double, Along::depth, 4>("double rows along the depth");
  check_simt<double, Along::depth, 8>("double columns along the depth");
  check_simt<double, Along::rows, 4>("double rows along rows");
  check_simt<double, Along::rows, 8>("double columns along rows");
  check_tensor_core<Along::depth>("tensor cores along the depth");
  check_tensor_core<Along::rows>("tensor cores along rows");
  std::printf("%d conflicts\n", failures);
  return failures == 0 ? 0 : 1;
}
