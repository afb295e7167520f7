#include "cuda/python/memory.hpp"

#include <algorithm>
#include <list>
#include <mutex>

#include "python/unlocked.hpp"

namespace tapwise::cuda {
namespace {

struct Kept {
  cudaEvent_t event = nullptr;
  int device = 0;
  std::vector<py::object> objects;
};

struct Keeper {
  std::mutex mutex;
  std::list<Kept> kept;
};

// Never destroyed: at the end of the process neither Python nor the driver can be called any more.
Keeper& keeper() {
  static auto* const instance = new Keeper;
  return *instance;
}

}  // namespace

void* allocate(std::int64_t bytes, cudaStream_t stream, const std::string& what) {
  void* memory = nullptr;
  cudaError_t error = cudaMallocAsync(&memory, static_cast<std::size_t>(bytes), stream);
  if (error == cudaErrorNotSupported) error = cudaMalloc(&memory, static_cast<std::size_t>(bytes));
  check(error, text("allocating ", bytes, " bytes ", what, "on CUDA device ", current_device()));
  return memory;
}

void release(void* memory, cudaStream_t stream) {
  if (cudaFreeAsync(memory, stream) == cudaSuccess) return;
  cudaGetLastError();
  cudaFree(memory);  // waits for the device
}

DeviceMemory::DeviceMemory(std::int64_t bytes, int device, Stream stream)
    : device_(device), stream_(std::move(stream)) {
  if (bytes > 0) data_ = allocate(bytes, stream_.handle, "");
}

DeviceMemory::~DeviceMemory() {
  if (data_ == nullptr) return;
  int before = 0;
  bool ordered = cudaGetDevice(&before) == cudaSuccess && cudaSetDevice(device_) == cudaSuccess && !lent_anywhere_ &&
                 stream_.reachable();
  for (const Stream& reader : lent_) {
    cudaEvent_t event = nullptr;
    ordered = ordered && reader.reachable() &&
              cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess &&
              cudaEventRecord(event, reader.handle) == cudaSuccess &&
              cudaStreamWaitEvent(stream_.handle, event, 0) == cudaSuccess;
    if (event != nullptr) cudaEventDestroy(event);
  }
  if (!ordered) python::unlocked([] { return cudaDeviceSynchronize(); });
  release(data_, stream_.handle);
  cudaSetDevice(before);
  cudaGetLastError();  // a destructor has nobody to tell
}

void DeviceMemory::lend(const Stream& stream) {
  const std::scoped_lock lock(mutex_);
  if (stream_ == stream || std::find(lent_.begin(), lent_.end(), stream) != lent_.end()) return;
  lent_.push_back(stream);
}

void DeviceMemory::lend_anywhere() {
  const std::scoped_lock lock(mutex_);
  lent_anywhere_ = true;
}

void DeviceMemory::wait_for_readers(const Stream& writer) const {
  std::vector<Stream> readers{stream_};
  {
    const std::scoped_lock lock(mutex_);
    readers.insert(readers.end(), lent_.begin(), lent_.end());
  }
  for (const Stream& reader : readers) wait_for(writer, reader);
}

void keep_until_done(cudaStream_t stream, std::vector<py::object> objects) {
  Kept kept{nullptr, current_device(), std::move(objects)};
  cudaError_t error = cudaEventCreateWithFlags(&kept.event, cudaEventDisableTiming);
  if (error == cudaSuccess) error = cudaEventRecord(kept.event, stream);
  if (error != cudaSuccess) {  // then nothing tells when they may go
    if (kept.event != nullptr) cudaEventDestroy(kept.event);
    cudaDeviceSynchronize();
    check(error, "marking the end of the work");
  }
  const std::scoped_lock lock(keeper().mutex);
  keeper().kept.push_back(std::move(kept));
}

void sweep() {
  std::list<Kept> done;  // let go of outside of the lock: that may run any code
  {
    const std::scoped_lock lock(keeper().mutex);
    auto& kept = keeper().kept;
    for (auto i = kept.begin(); i != kept.end();) {
      const auto next = std::next(i);
      if (cudaEventQuery(i->event) == cudaSuccess) done.splice(done.end(), kept, i);
      i = next;
    }
  }
  for (const Kept& k : done) cudaEventDestroy(k.event);
  cudaGetLastError();
}

void drain() {
  std::list<Kept> done;
  {
    const std::scoped_lock lock(keeper().mutex);
    done.splice(done.end(), keeper().kept);
  }
  for (const Kept& k : done) {
    python::unlocked([&] { return cudaEventSynchronize(k.event); });
    cudaEventDestroy(k.event);
  }
  cudaGetLastError();
}

}  // namespace tapwise::cuda
