// What tests may ask of the emulation and tell it, from C++ or, by the plain C names, from Python.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime.hpp"

namespace tapwise::emulation {

// To be changed while no other host thread is in a call.
inline Settings& settings() { return Runtime::instance().settings; }

// What went wrong in a kernel, empty if nothing did; from then on calls answer cudaErrorLaunchFailure until reset().
inline std::string last_fault() {
  return Runtime::instance().locked([](Runtime& runtime) { return runtime.fault; });
}

// Drops queued work that a fault made void, and forgets the fault.
inline void reset() {
  Runtime::instance().locked([](Runtime& runtime) {
    runtime.streams.run_all();
    runtime.fault.clear();
    Runtime::last_error() = cudaSuccess;
  });
}

inline std::int64_t bytes_in_use() {
  return Runtime::instance().locked(
      [](Runtime& runtime) { return static_cast<std::int64_t>(runtime.memories.bytes_in_use()); });
}

// Launches accepted so far, whether or not they ran.
inline std::int64_t launches() {
  return Runtime::instance().locked([](Runtime& runtime) { return static_cast<std::int64_t>(runtime.launches); });
}

}  // namespace tapwise::emulation

#define TAPWISE_EMULATION_EXPORT extern "C" __attribute__((used, visibility("default"))) inline

// See apply_settings for the text.
TAPWISE_EMULATION_EXPORT void tapwise_emulation_set(const char* text) {
  tapwise::emulation::Runtime::instance().locked([text](tapwise::emulation::Runtime& runtime) {
    tapwise::emulation::apply_settings(runtime.settings, text);
    if (runtime.settings.streams == tapwise::emulation::Streams::kEager) runtime.streams.run_all();
  });
}

TAPWISE_EMULATION_EXPORT const char* tapwise_emulation_fault() {
  static thread_local std::string text;
  text = tapwise::emulation::last_fault();
  return text.c_str();
}

TAPWISE_EMULATION_EXPORT long long tapwise_emulation_bytes_in_use() { return tapwise::emulation::bytes_in_use(); }
TAPWISE_EMULATION_EXPORT long long tapwise_emulation_launches() { return tapwise::emulation::launches(); }
TAPWISE_EMULATION_EXPORT void tapwise_emulation_reset() { tapwise::emulation::reset(); }

// A stream of its own: not ordered with the default stream.
TAPWISE_EMULATION_EXPORT long long tapwise_emulation_stream() {
  return tapwise::emulation::Runtime::instance().locked([](tapwise::emulation::Runtime& runtime) {
    return reinterpret_cast<long long>(runtime.streams.create(runtime.current_device(), false));
  });
}

#undef TAPWISE_EMULATION_EXPORT
