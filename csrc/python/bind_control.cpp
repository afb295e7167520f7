// Threads, algorithms, instruction sets, and what was built.
#include <atomic>
#include <cstdlib>

#include "python/unlocked.hpp"

namespace tapwise::python {
namespace {

// In the order of the list that errors show. "auto" stands for the default, which is one of the others or itself.
constexpr const char* kAlgorithms[] = {"auto", "direct"};
constexpr int kAlgorithmCount = static_cast<int>(std::size(kAlgorithms));
constexpr int kDirect = 1;

int as_algorithm(py::handle object, const char* what = "algorithm") {
  const std::string wanted = as_text(object);
  std::string names;
  for (int i = 0; i < kAlgorithmCount; ++i) {
    if (wanted == kAlgorithms[i]) return i;
    names += text(i > 0 ? ", " : "", '"', kAlgorithms[i], '"');
  }
  refuse_choice(what, "one of " + names, object);
}

std::atomic<int> default_algorithm{-1};  // -1: what TAPWISE_ALGORITHM says, else "auto"
thread_local int algorithm_override = -1;

int effective_default() {
  if (algorithm_override >= 0) return algorithm_override;
  if (const int chosen = default_algorithm.load(); chosen >= 0) return chosen;
  const char* environment = std::getenv("TAPWISE_ALGORITHM");
  return environment == nullptr || *environment == '\0' ? 0 : as_algorithm(py::str(environment), "TAPWISE_ALGORITHM");
}

// -1 for None.
int exchange_algorithm(py::handle name) {
  const int previous = algorithm_override;
  algorithm_override = name.is_none() ? -1 : as_algorithm(name);
  return previous;
}

py::tuple usable_isas(bool usable_only) {
  const char* names[8];
  const std::size_t count = built_isas(names, std::size(names));
  py::list list;
  for (std::size_t i = 0; i < count; ++i)
    if (!usable_only || isa_usable(names[i])) list.append(names[i]);
  return py::tuple(list);
}

py::dict build_info() {
  const char* isa = nullptr;
  const Status status = active_isa(&isa);
  py::dict info;
  info["version"] = TAPWISE_VERSION;
  info["compiler"] = TAPWISE_COMPILER;
  info["flags"] = TAPWISE_FLAGS;
  info["isas_built"] = usable_isas(false);
  info["isas_usable"] = usable_isas(true);
  info["isa"] = status ? py::object(py::str(isa)) : py::object(py::none());
  info["isa_error"] = status ? py::object(py::none()) : py::object(py::str(status.message()));
  py::list algorithms;
  for (int i = kDirect; i < kAlgorithmCount; ++i) algorithms.append(kAlgorithms[i]);
  info["algorithms"] = py::tuple(algorithms);
  info["openmp"] = has_openmp();
  info["cpus"] = available_cpus();
  return info;
}

int team(py::handle threads) {
  const int n = as_threads(threads);
  return n > 0 ? n : get_num_threads();
}

double fma_peak(bool is_double, double seconds, py::handle threads) {
  const int n = team(threads);
  return unlocked(
      [&] { return is_double ? measure_fma_peak<double>(seconds, n) : measure_fma_peak<float>(seconds, n); });
}

// measure: one of the two bandwidths.
template <double (*measure)(int64_t, double, int)>
double bandwidth(int64_t bytes, double seconds, py::handle threads) {
  const int n = team(threads);
  if (bytes < 1 || bytes > kMaxExtent) value_error("bytes must be between 1 and 2**40, got ", bytes);
  return unlocked([&] { return measure(bytes, seconds, n); });
}

}  // namespace

void check_algorithm(py::handle algorithm) {
  if (as_algorithm(algorithm) == 0) effective_default();
}

std::string resolve_algorithm(py::handle algorithm) {
  int chosen = as_algorithm(algorithm);
  if (chosen == 0) chosen = effective_default();
  return kAlgorithms[chosen == 0 ? kDirect : chosen];
}

void bind_control(py::module_& m) {
  m.def("set_num_threads", [](py::handle n) { set_num_threads(as_threads(n)); });
  m.def("get_num_threads", [] { return get_num_threads(); });
  m.def("exchange_threads", [](py::handle n) { return exchange_thread_override(as_threads(n)); });
  m.def("restore_threads", [](int n) { exchange_thread_override(n); });
  m.def("set_algorithm", [](py::handle name) { default_algorithm = as_algorithm(name); });
  m.def("get_algorithm", [] { return kAlgorithms[effective_default()]; });
  m.def("check_control", [](py::handle algorithm, py::handle threads) {
    check_algorithm(algorithm);
    as_threads(threads);
  });
  m.def("exchange_algorithm", exchange_algorithm);
  m.def("restore_algorithm", [](int index) { algorithm_override = index; });
  m.def("available_isas", [] { return usable_isas(true); });
  m.def("build_info", build_info);
  m.def("fma_peak", fma_peak);
  m.def("read_bandwidth", bandwidth<measure_read_bandwidth>);
  m.def("triad_bandwidth", bandwidth<measure_triad_bandwidth>);
}

}  // namespace tapwise::python
