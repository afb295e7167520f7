// Calls at the end of a thread and of the program, when what a thread keeps between calls is gone: from the destructor
// of a thread_local object that was made before the thread's first call, and from a function that std::atexit knows.
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tapwise/tapwise.hpp"

namespace {

// Its scratch memory is large enough for the system to take it back at once: to use it afterwards is a fault.
void convolve(const char* when) {
  constexpr std::int64_t kChannels = 128;
  const tapwise::ConvProblem p{
      .in_channels = kChannels, .out_channels = kChannels, .src = {1, 4, 4}, .kernel = {1, 3, 3}};
  std::vector<float> x(kChannels * 16, 1), w(kChannels * kChannels * 9, 1), y(kChannels * 4);
  const tapwise::Status status = forward(p, tapwise::dense_view(x, {1, kChannels, 1, 4, 4}),
                                         tapwise::dense_view(w, {kChannels, kChannels, 1, 3, 3}), nullptr,
                                         tapwise::dense_view(y, {1, kChannels, 1, 2, 2}), {.threads = 1});
  bool right = status.ok();
  for (const float number : y) right = right && number == kChannels * 9;
  std::printf("%s: %s\n", when, right ? "right" : status.ok() ? "wrong" : status.message());
  std::fflush(stdout);
  if (!right) std::_Exit(1);
}

struct Last {
  const char* when = nullptr;
  ~Last() {
    if (when != nullptr) convolve(when);
  }
};

thread_local Last last;

}  // namespace

int main() {
  std::thread([] {
    last.when = "a thread has ended";
    convolve("in a thread");
  }).join();
  last.when = "the main thread has ended";
  std::atexit([] { convolve("the program has ended"); });
  convolve("in the program");
}
