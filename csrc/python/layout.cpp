#include "python/layout.hpp"

#include <cstring>

namespace tapwise::python {
namespace {

constexpr const char* kSpace[] = {"", "W", "HW", "DHW"};
constexpr const char* kActivationAxes = "NCDHW";
constexpr const char* kWeightAxes = "OIDHW";
constexpr const char* kTransposedWeightAxes = "IODHW";  // axis 0 of the weights is I there

Layout layout_of(const std::string& name, int rank, const char* axes) {
  Layout l{name, rank, {-1, -1, -1, -1, -1}};
  for (std::size_t a = 0; a < 5; ++a)
    if (const auto at = name.find(axes[a]); at != std::string::npos) l.axis[a] = static_cast<int>(at);
  return l;
}

std::string join(const std::vector<std::string>& names) {
  std::string s;
  for (const auto& name : names) s += (s.empty() ? "\"" : ", \"") + name + "\"";
  return s;
}

// The layout called `name` among those allowed; else an error that lists them.
Layout find(py::handle name, const char* parameter, const std::vector<std::string>& allowed, const char* axes) {
  const std::string wanted = as_text(name);
  for (const auto& candidate : allowed) {
    if (candidate != wanted) continue;
    int rank = 0;
    for (const char letter : candidate)
      if (std::strchr(kSpace[3], letter) != nullptr) ++rank;
    return layout_of(candidate, rank, axes);
  }
  refuse_choice(parameter, "one of " + join(allowed), name);
}

}  // namespace

std::vector<std::string> activation_layouts(int rank) {
  std::vector<std::string> names;
  for (int r = 1; r <= 3; ++r) {
    if (rank != 0 && r != rank) continue;
    const std::string s = kSpace[r];
    for (const auto& l : {"NC" + s, "N" + s + "C", "C" + s, s + "C"}) names.push_back(l);
  }
  return names;
}

Layout activation_layout(py::handle name, int rank) {
  if (name.is_none()) return layout_of(std::string("NC") + kSpace[rank], rank, kActivationAxes);
  return find(name, "layout", activation_layouts(rank), kActivationAxes);
}

Layout weight_layout(py::handle name, int rank, bool transposed) {
  const std::string s = kSpace[rank];
  const char* axes = transposed ? kTransposedWeightAxes : kWeightAxes;
  std::vector<std::string> allowed{"OI" + s, "O" + s + "I", s + "IO"};
  if (transposed) allowed = {"IO" + s, "I" + s + "O", s + "OI", "OI" + s, "O" + s + "I", s + "IO"};
  if (name.is_none()) return layout_of(allowed.front(), rank, axes);
  return find(name, "weight_layout", allowed, axes);
}

Shape arrange(const std::array<int64_t, 5>& canonical, const Layout& layout) {
  Shape shape(layout.name.size());
  for (std::size_t a = 0; a < 5; ++a)
    if (layout.axis[a] >= 0) shape[static_cast<std::size_t>(layout.axis[a])] = canonical[a];
  return shape;
}

std::array<int64_t, 5> canonical(const Shape& shape, const Layout& layout) {
  std::array<int64_t, 5> sizes{1, 1, 1, 1, 1};
  for (std::size_t a = 0; a < 5; ++a)
    if (layout.axis[a] >= 0) sizes[a] = shape[static_cast<std::size_t>(layout.axis[a])];
  return sizes;
}

}  // namespace tapwise::python
