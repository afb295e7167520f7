// Streams and events of the emulated runtime API.
#pragma once

#include <chrono>
#include <memory>

#include "runtime.hpp"

inline cudaError_t cudaDeviceSynchronize() {
  return tapwise::emulation::Runtime::instance().call([](auto& runtime) { return runtime.synchronize_all(); });
}

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* pStream, unsigned flags) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    if (pStream == nullptr || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
    *pStream = runtime.streams.create(runtime.current_device(), flags != cudaStreamNonBlocking);
    return cudaSuccess;
  });
}

inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return tapwise::emulation::Runtime::instance().call_to_release(
      [=](auto& runtime) { return runtime.streams.destroy(stream) ? cudaSuccess : cudaErrorInvalidResourceHandle; });
}

inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    const auto found = runtime.find_stream(stream);
    return found == nullptr ? cudaErrorInvalidResourceHandle : runtime.synchronize({found, found->submitted()});
  });
}

// Work not yet done is "not ready" once and done at the next query, so that polling is exercised and comes to an end.
inline cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    const auto found = runtime.find_stream(stream);
    if (found == nullptr) return cudaErrorInvalidResourceHandle;
    if (!found->queue.empty() && found->polled != found->submitted()) {
      found->polled = found->submitted();
      return cudaErrorNotReady;
    }
    return runtime.synchronize({found, found->submitted()});
  });
}

// An event that was never recorded is waited for by nothing, as in CUDA.
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    const auto found = runtime.find_stream(stream);
    const auto* const awaited = runtime.find_event(event);
    if (found == nullptr || awaited == nullptr) return cudaErrorInvalidResourceHandle;
    if (flags != cudaEventWaitDefault) return cudaErrorInvalidValue;
    if (!awaited->recorded) return cudaSuccess;
    auto after = runtime.streams.implicit_order(*found);
    after.push_back(*awaited->recorded);
    runtime.submit_after(found, std::move(after), [] {});
    return cudaSuccess;
  });
}

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    if (event == nullptr || flags > (cudaEventBlockingSync | cudaEventDisableTiming)) return cudaErrorInvalidValue;
    *event = reinterpret_cast<cudaEvent_t>(runtime.next_event += 16);
    auto& created = runtime.events[*event];
    created.device = runtime.current_device();
    created.timed = (flags & cudaEventDisableTiming) == 0;
    return cudaSuccess;
  });
}

inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return tapwise::emulation::Runtime::instance().call_to_release(
      [=](auto& runtime) { return runtime.events.erase(event) == 1 ? cudaSuccess : cudaErrorInvalidResourceHandle; });
}

inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    const auto found = runtime.find_stream(stream);
    auto* const recorded = runtime.find_event(event);
    if (found == nullptr || recorded == nullptr) return cudaErrorInvalidResourceHandle;
    if (found->device != recorded->device) return cudaErrorInvalidResourceHandle;
    const auto time = std::make_shared<std::chrono::steady_clock::time_point>();
    recorded->time = time;
    recorded->polled = false;
    recorded->recorded = runtime.submit(found, [time] { *time = std::chrono::steady_clock::now(); });
    return cudaSuccess;
  });
}

inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    const auto* const found = runtime.find_event(event);
    if (found == nullptr) return cudaErrorInvalidResourceHandle;
    return found->recorded ? runtime.synchronize(*found->recorded) : cudaSuccess;
  });
}

inline cudaError_t cudaEventQuery(cudaEvent_t event) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    auto* const found = runtime.find_event(event);
    if (found == nullptr) return cudaErrorInvalidResourceHandle;
    if (!found->recorded) return cudaSuccess;
    if (!found->recorded->reached() && !found->polled) {
      found->polled = true;
      return cudaErrorNotReady;
    }
    return runtime.synchronize(*found->recorded);
  });
}

inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    const auto* const first = runtime.find_event(start);
    const auto* const last = runtime.find_event(end);
    if (ms == nullptr) return cudaErrorInvalidValue;
    if (first == nullptr || last == nullptr || !first->timed || !last->timed) return cudaErrorInvalidResourceHandle;
    if (!first->recorded || !last->recorded) return cudaErrorInvalidResourceHandle;
    if (!first->recorded->reached() || !last->recorded->reached()) return cudaErrorNotReady;
    *ms = std::chrono::duration<float, std::milli>(*last->time - *first->time).count();
    return cudaSuccess;
  });
}
