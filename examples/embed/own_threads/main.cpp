// A program with threads and memory of its own: its pool runs the library's loops, its arena is the workspace, and
// while it computes nothing is allocated.
#include <tapwise/tapwise.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

std::atomic<long> allocations{0};
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* block = std::malloc(bytes)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace {

// The simplest pool: one task at a time, whose items its threads take one by one.
class Pool {
 public:
  explicit Pool(int workers) {
    for (int worker = 1; worker < workers; ++worker) threads_.emplace_back([this, worker] { serve(worker); });
  }
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  int workers() const { return static_cast<int>(threads_.size()) + 1; }

  // What tapwise::ParallelFor asks for.
  static void run(void* context, std::int64_t items, int workers, void (*body)(void*, std::int64_t, int), void* state) {
    static_cast<Pool*>(context)->run_task(items, workers, body, state);
  }

 private:
  void run_task(std::int64_t items, int workers, void (*body)(void*, std::int64_t, int), void* state) {
    {
      const std::lock_guard lock(mutex_);
      items_ = items, workers_ = workers, body_ = body, state_ = state;
      next_ = 0;
      busy_ = static_cast<int>(threads_.size());
      ++task_;
    }
    wake_.notify_all();
    take_items(0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
  }
  void take_items(int worker) {
    if (worker >= workers_) return;
    for (std::int64_t item; (item = next_.fetch_add(1)) < items_;) body_(state_, item, worker);
  }
  void serve(int worker) {
    for (long seen = 0;;) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stop_ || task_ != seen; });
        if (stop_) return;
        seen = task_;
      }
      take_items(worker);
      const std::lock_guard lock(mutex_);
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  bool stop_ = false;
  long task_ = 0;
  int busy_ = 0, workers_ = 0;
  std::int64_t items_ = 0;
  std::atomic<std::int64_t> next_{0};
  void (*body_)(void*, std::int64_t, int) = nullptr;
  void* state_ = nullptr;
};

int fail(const tapwise::Status& status) { return std::fprintf(stderr, "%s\n", status.message()), 1; }

}  // namespace

int main() {
  using namespace tapwise;
  const ConvProblem problem{.batch = 4,
                            .in_channels = 32,
                            .out_channels = 48,
                            .src = {1, 40, 40},
                            .kernel = {1, 3, 3},
                            .stride = {1, 2, 2},
                            .pad_low = {0, 1, 1},
                            .pad_high = {0, 1, 1}};
  std::vector<float> x(4 * 32 * 40 * 40), w(48 * 32 * 9), y(4 * 48 * 20 * 20), dx(x.size()), dw(w.size()), db(48);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) / 17;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 13) / 13 - 0.5f;
  const auto src = dense_view(x, {4, 32, 1, 40, 40}), weights = dense_view(w, {48, 32, 1, 3, 3});
  const auto dst = dense_view(y, {4, 48, 1, 20, 20});
  const Gradients<float> gradients{dense_view(dx, src.shape), dense_view(dw, weights.shape), db.data()};

  Pool pool(4);
  const ParallelFor parallel{Pool::run, &pool, pool.workers()};
  Options options{.parallel = &parallel};
  std::int64_t bytes = 0;
  for (const Direction direction :
       {Direction::forward, Direction::backward_data, Direction::backward_weights, Direction::backward_bias}) {
    std::int64_t needed = 0;
    if (Status s = workspace_size<float>(problem, direction, options, needed); !s.ok()) return fail(s);
    bytes = std::max(bytes, needed);
  }
  std::vector<std::byte> arena(static_cast<std::size_t>(bytes + kWorkspaceAlignment));
  void* aligned = arena.data();
  std::size_t room = arena.size();
  std::align(static_cast<std::size_t>(kWorkspaceAlignment), static_cast<std::size_t>(bytes), aligned, room);
  options.workspace = {aligned, bytes};

  const long before = allocations;
  if (Status s = forward(problem, src, weights, nullptr, dst, options); !s.ok()) return fail(s);
  if (Status s = backward(problem, dst, src, weights, gradients, options); !s.ok()) return fail(s);
  const long during = allocations - before;

  // The same bits from one thread, with the library's own memory.
  const std::vector<float> y_pool = y, dx_pool = dx, dw_pool = dw, db_pool = db;
  if (Status s = forward(problem, src, weights, nullptr, dst, {.threads = 1}); !s.ok()) return fail(s);
  if (Status s = backward(problem, dst, src, weights, gradients, {.threads = 1}); !s.ok()) return fail(s);
  const bool same = y == y_pool && dx == dx_pool && dw == dw_pool && db == db_pool;
  std::printf("%d threads, %lld bytes of workspace, %ld allocations, %s\n", pool.workers(),
              static_cast<long long>(bytes), during, same ? "the same bits as one thread" : "OTHER BITS");
  return same && during == 0 ? 0 : 1;
}
