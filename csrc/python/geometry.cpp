#include "python/geometry.hpp"

#include <algorithm>

#include "core/pool_windows.hpp"

namespace tapwise::python {
namespace {

constexpr const char* kAxisName[] = {"depth", "height", "width"};

// Where the axes of a problem of that rank begin among the three.
std::size_t first_axis(int rank) { return static_cast<std::size_t>(3 - rank); }

// A zero-dimensional array is a number.
bool is_sequence(py::handle object) {
  if (py::isinstance<py::array>(object)) return py::reinterpret_borrow<py::array>(object).ndim() > 0;
  return PySequence_Check(object.ptr()) && !py::isinstance<py::str>(object) && !py::isinstance<py::bytes>(object);
}

void check_range(const char* name, int64_t value, int64_t low) {
  if (value < low) value_error(name, " must be at least ", low, ", got ", value);
  if (value > kMaxExtent) value_error(name, " must be at most 2**40, got ", value);
}

// An int for all axes, or one per axis.
Spatial as_spatial(py::handle object, const char* name, int rank, int64_t low, int64_t unused) {
  Spatial s{unused, unused, unused};
  const std::size_t first = first_axis(rank);
  if (!is_sequence(object)) {
    const int64_t value = as_int(object, name);
    check_range(name, value, low);
    std::fill(s.begin() + static_cast<std::ptrdiff_t>(first), s.end(), value);
    return s;
  }
  const Items values(object, name);
  if (static_cast<int>(values.size()) != rank)
    value_error(name, " must be an int or ", rank, " of them, one per spatial axis, got ", describe(object));
  for (std::size_t a = first; a < 3; ++a) {
    s[a] = as_int(values[a - first], name);
    check_range(name, s[a], low);
  }
  return s;
}

int64_t dilated(const ConvProblem& p, std::size_t a) {
  int64_t extent = 0;
  if (__builtin_mul_overflow(p.kernel[a] - 1, p.dilation[a], &extent) || extent > kMaxExtent)
    value_error("dilation ", p.dilation[a], " times kernel size ", p.kernel[a], " along ", kAxisName[a],
                " is too large");
  return extent + 1;
}

// "same" pads so that the output has ceil(n / stride) positions; the odd one goes to the end, or the start.
void pad_same(ConvProblem& p, std::size_t a, int64_t total, bool lower) {
  total = std::max<int64_t>(total, 0);
  p.pad_low[a] = lower ? (total + 1) / 2 : total / 2;
  p.pad_high[a] = total - p.pad_low[a];
}

constexpr const char* kPaddings =
    "an int, one per axis, (low, high) pairs, or one of \"valid\", \"same\", \"same_lower\", \"full\", \"causal\"";
constexpr const char* kTransposedPaddings =
    "an int, one per axis, (low, high) pairs, or one of \"valid\", \"same\", \"same_lower\"";

void set_padding_by_name(ConvProblem& p, py::handle padding, int rank) {
  const std::string name = as_text(padding);
  if (name != "valid" && name != "same" && name != "same_lower" && name != "full" && name != "causal")
    refuse_choice("padding", kPaddings, padding);
  if (name == "causal" && rank != 1)
    value_error("padding=\"causal\" is for one spatial axis, got ", rank,
                "; pass \"valid\", \"same\", \"same_lower\", \"full\", or (low, high) pairs");
  for (std::size_t a = first_axis(rank); a < 3; ++a) {
    const int64_t reach = dilated(p, a) - 1;
    if (name == "full") p.pad_low[a] = p.pad_high[a] = reach;
    if (name == "causal") p.pad_low[a] = reach;
    if (name == "same" || name == "same_lower") {
      const int64_t outputs = (p.src[a] + p.stride[a] - 1) / p.stride[a];
      pad_same(p, a, (outputs - 1) * p.stride[a] + reach + 1 - p.src[a], name == "same_lower");
    }
  }
}

void set_padding(ConvProblem& p, py::handle padding, int rank, const char* choices = kPaddings) {
  if (py::isinstance<py::str>(padding)) return set_padding_by_name(p, padding, rank);
  const std::size_t first = first_axis(rank);
  if (!is_sequence(padding)) {
    if (!is_int(padding)) refuse_choice("padding", choices, padding);
    p.pad_low = p.pad_high = as_spatial(padding, "padding", rank, 0, 0);
    return;
  }
  const Items values(padding, "padding");
  if (static_cast<int>(values.size()) != rank)
    value_error("padding must be an int, ", rank, " of them, or ", rank,
                " (low, high) pairs, one per spatial axis, got ", describe(padding),
                rank == 1 ? "; for one axis write ((low, high),)" : "");
  for (std::size_t a = first; a < 3; ++a) {
    const py::object entry = values[a - first];
    if (!is_sequence(entry)) {
      p.pad_low[a] = p.pad_high[a] = as_int(entry, "padding");
    } else {
      const Items pair(entry, "padding");
      if (pair.size() != 2)
        value_error("padding of one axis must be an int or a (low, high) pair, got ", describe(entry));
      p.pad_low[a] = as_int(pair[0], "padding");
      p.pad_high[a] = as_int(pair[1], "padding");
    }
    check_range("padding", p.pad_low[a], 0);
    check_range("padding", p.pad_high[a], 0);
  }
}

void check_rank(int rank, const char* name, const Shape& shape) {
  if (rank < 1 || rank > 3)
    value_error(name, " must have 1 to 3 spatial axes beside batch and channels, got shape ", tuple_text(shape));
}

// The layouts of that rank in which an array of that shape has that many channels; 0 stands for any number.
std::vector<std::string> fitting_layouts(const Shape& shape, int rank, int64_t channels) {
  std::vector<std::string> fitting;
  for (const std::string& name : activation_layouts(rank)) {
    if (name.size() != shape.size()) continue;
    if (channels == 0 || shape[name.find('C')] == channels) fitting.push_back(name);
  }
  return fitting;
}

// "; did you mean layout="NHWC"?", naming all of them; "" if there are none.
std::string did_you_mean(const char* parameter, const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += text(all.empty() ? "" : " or ", parameter, "=\"", name, "\"");
  return all.empty() ? "" : "; did you mean " + all + "?";
}

// Where the operand has so many: "; x has 3 along axis 2", or no axis.
std::string where_it_has(const Shape& shape, const char* name, int64_t channels) {
  const auto at = std::find(shape.begin(), shape.end(), channels);
  return text("; ", name, " has ", channels, " along ",
              at == shape.end() ? "no axis" : text("axis ", at - shape.begin()));
}

// channels: as many as the weight expects; 0 where there is no weight.
void check_ndim(const Shape& shape, const Layout& layout, const char* name, int64_t channels = 0) {
  if (static_cast<int>(shape.size()) == layout.ndim()) return;
  std::string hint = did_you_mean("layout", fitting_layouts(shape, layout.rank, channels));
  if (hint.empty() && channels != 0)
    hint = text(", and the weight expects ", channels, " input channels", where_it_has(shape, name, channels));
  value_error(name, " must have ", layout.ndim(), " axes in layout \"", layout.name, "\", got shape ",
              tuple_text(shape), hint);
}

void check_weight(const Shape& shape, const Geometry& g) {
  if (static_cast<int>(shape.size()) != g.weights.ndim())
    value_error("weight must have ", g.weights.ndim(), " axes (\"", g.weights.name, "\") for an input in layout \"",
                g.activations.name, "\", got shape ", tuple_text(shape));
  for (const int64_t size : shape)
    if (size < 1) value_error("weight must have at least one element along every axis, got shape ", tuple_text(shape));
}

void check_sizes(const Shape& shape, const Layout& layout, const char* name) {
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool batch = static_cast<int>(i) == layout.axis[0];
    if (shape[i] < (batch ? 0 : 1))
      value_error(name, " must have at least one element along every axis but the batch, got shape ",
                  tuple_text(shape));
    if (shape[i] > kMaxExtent) value_error(name, " is too large: shape ", tuple_text(shape));
  }
}

// Other orders of the weight's axes in which its channels would match: in the input's layout, or else in another.
std::string weight_layout_hint(const Shape& x_shape, const Layout& layout, const Shape& weight_shape,
                               const Layout& weights, int64_t groups, bool transposed) {
  const std::string space = std::string("DHW").substr(static_cast<std::size_t>(3 - weights.rank));
  std::vector<std::string> alone;
  std::string with_another;
  for (const std::string& name : transposed ? std::vector{"IO" + space, "I" + space + "O", space + "OI"}
                                            : std::vector{"OI" + space, "O" + space + "I", space + "IO"}) {
    const auto sizes = canonical(weight_shape, weight_layout(py::str(name), weights.rank, transposed));
    int64_t channels = sizes[0];
    if (name == weights.name || sizes[0] % groups != 0) continue;
    if (!transposed && __builtin_mul_overflow(sizes[1], groups, &channels)) continue;
    for (const std::string& fitting : fitting_layouts(x_shape, layout.rank, channels)) {
      if (fitting == layout.name) alone.push_back(name);
      with_another = "; did you mean layout=\"" + fitting + "\", weight_layout=\"" + name + "\"?";
    }
  }
  return alone.empty() ? with_another : did_you_mean("weight_layout", alone);
}

[[noreturn]] void channel_mismatch(const Shape& x_shape, const Layout& layout, const char* x_name, int64_t expected,
                                   int64_t got, const Shape& weight_shape, const Layout& weights, int64_t groups,
                                   bool transposed = false) {
  const auto weight_sizes = canonical(weight_shape, weights);
  const int64_t fitting_groups = got % weight_sizes[1] == 0 ? got / weight_sizes[1] : 0;
  std::string hint = did_you_mean("layout", fitting_layouts(x_shape, layout.rank, expected));
  if (hint.empty() && !transposed && fitting_groups != 0 && weight_sizes[0] % fitting_groups == 0)
    hint = text("; did you mean groups=", fitting_groups, "?");
  if (hint.empty()) hint = weight_layout_hint(x_shape, layout, weight_shape, weights, groups, transposed);
  if (hint.empty())
    hint = text("; weight of shape ", tuple_text(weight_shape), " in weight_layout \"", weights.name,
                "\" with groups=", groups, " takes ", expected, where_it_has(x_shape, x_name, expected));
  value_error("weight expects ", expected, " input channels but ", x_name, " of shape ", tuple_text(x_shape), " has ",
              got, " in layout \"", layout.name, "\"", hint);
}

void check_output(const ConvProblem& p, int rank) {
  for (std::size_t a = first_axis(rank); a < 3; ++a) {
    const int64_t extent = dilated(p, a), padded = p.src[a] + p.pad_low[a] + p.pad_high[a];
    if (extent > padded)
      value_error("no output positions along ", kAxisName[a], ": a kernel of ", p.kernel[a], " with dilation ",
                  p.dilation[a], " spans ", extent, ", the input with its padding ", padded,
                  "; use more padding or a smaller kernel");
  }
}

void check_windows(const ConvProblem& p, int rank) {
  const Spatial out = dst_size(p);
  for (std::size_t a = first_axis(rank); a < 3; ++a) {
    const Axis axis{out[a], p.src[a], p.kernel[a], p.stride[a], p.dilation[a], -p.pad_low[a]};
    if (const int64_t q = empty_window(axis); q >= 0)
      value_error("padding ", p.pad_low[a], " with dilation ", p.dilation[a], " makes window ", q, " along ",
                  kAxisName[a], " see padding alone; use less padding");
  }
}

// One more output along an axis, if a window that begins within the input or the padding before it is left over. What
// it reaches beyond the padding is returned.
int64_t round_up_outputs(ConvProblem& p, std::size_t a) {
  const int64_t extent = dilated(p, a), padded = p.src[a] + p.pad_low[a] + p.pad_high[a];
  const int64_t spare = padded - extent;
  int64_t last = spare >= 0 ? ceil_div(spare, p.stride[a]) : -(-spare / p.stride[a]);
  if (last * p.stride[a] >= p.src[a] + p.pad_low[a]) --last;
  if (last < 0) return 0;  // no output, for others to refuse
  const int64_t overhang = std::max<int64_t>(0, last * p.stride[a] + extent - padded);
  p.pad_high[a] += overhang;
  return overhang;
}

int64_t as_groups(py::handle object) {
  const int64_t groups = as_int(object, "groups");
  check_range("groups", groups, 1);
  return groups;
}

void set_space(ConvProblem& p, const std::array<int64_t, 5>& src, const std::array<int64_t, 5>& weights) {
  for (std::size_t a = 0; a < 3; ++a) {
    p.src[a] = src[a + 2];
    p.kernel[a] = weights[a + 2];
  }
}

}  // namespace

bool as_bool(py::handle object, const char* name) {
  if (PyBool_Check(object.ptr())) return object.ptr() == Py_True;
  if (py::isinstance(object, py::module_::import("numpy").attr("bool_"))) return object.cast<bool>();
  type_error(name, " must be a bool, got ", describe(object));
}

Shape as_shape(py::handle object, const char* name) {
  if (!is_sequence(object)) type_error(name, " must be a tuple of ints, got ", describe(object));
  Shape shape;
  const Items sizes(object, name);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const py::object size = sizes[i];
    if (!is_int(size) || is_sequence(size)) type_error(name, " must be a tuple of ints, got ", describe(object));
    shape.push_back(as_int(size, name));
    if (shape.back() < 0) value_error(name, " must not have negative sizes, got ", describe(object));
  }
  return shape;
}

Geometry forward_geometry(const Shape& x_shape, const Shape& weight_shape, const GeometryArguments& arguments, int rank,
                          const char* x_name) {
  Geometry g;
  const bool named = !arguments.layout.is_none();
  if (named) g.activations = activation_layout(arguments.layout, rank);
  if (rank == 0) rank = named ? g.activations.rank : static_cast<int>(weight_shape.size()) - 2;
  check_rank(rank, "weight", weight_shape);
  if (!named) g.activations = activation_layout(arguments.layout, rank);
  g.weights = weight_layout(arguments.weight_layout, rank, false);
  check_weight(weight_shape, g);
  const auto weights = canonical(weight_shape, g.weights);
  ConvProblem& p = g.problem;
  p.groups = as_groups(arguments.groups);
  int64_t expected = 0;
  if (__builtin_mul_overflow(weights[1], p.groups, &expected)) value_error("groups is too large, got ", p.groups);
  check_ndim(x_shape, g.activations, x_name, expected);
  check_sizes(x_shape, g.activations, x_name);

  const auto src = canonical(x_shape, g.activations);
  p.batch = src[0];
  p.in_channels = src[1];
  p.out_channels = weights[0];
  if (p.out_channels % p.groups != 0)
    value_error("weight has ", p.out_channels, " output channels (shape ", tuple_text(weight_shape),
                "), which groups=", p.groups, " does not divide");
  if (expected != p.in_channels)
    channel_mismatch(x_shape, g.activations, x_name, expected, p.in_channels, weight_shape, g.weights, p.groups);
  set_space(p, src, weights);
  p.stride = as_spatial(arguments.stride, "stride", rank, 1, 1);
  p.dilation = as_spatial(arguments.dilation, "dilation", rank, 1, 1);
  p.flip = as_bool(arguments.flip, "flip");
  set_padding(p, arguments.padding, rank);
  check_output(p, rank);
  raise_if_failed(validate(p));
  return g;
}

Geometry weight_gradient_geometry(const Shape& x_shape, const Shape& grad_shape, py::handle kernel_size,
                                  const GeometryArguments& arguments) {
  const bool named = !arguments.layout.is_none();
  if (x_shape.size() != grad_shape.size())
    value_error("x must have as many axes as grad, got shapes ", tuple_text(x_shape), " and ", tuple_text(grad_shape));
  const int rank = named ? activation_layout(arguments.layout, 0).rank : static_cast<int>(x_shape.size()) - 2;
  check_rank(rank, "x", x_shape);
  const Layout layout = activation_layout(arguments.layout, rank);
  check_ndim(x_shape, layout, "x");
  check_ndim(grad_shape, layout, "grad");
  check_sizes(grad_shape, layout, "grad");
  if (!named && is_sequence(kernel_size) && static_cast<int>(Items(kernel_size, "kernel_size").size()) == rank + 1)
    value_error("x must have ", rank + 3, " axes for ", rank + 1, " sizes in kernel_size, got shape ",
                tuple_text(x_shape), did_you_mean("layout", fitting_layouts(x_shape, rank + 1, 0)));
  const Spatial kernel = as_spatial(kernel_size, "kernel_size", rank, 1, 1);
  const int64_t groups = as_groups(arguments.groups);
  const int64_t in_channels = canonical(x_shape, layout)[1], out_channels = canonical(grad_shape, layout)[1];
  if (in_channels % groups != 0)
    value_error("x has ", in_channels, " channels (shape ", tuple_text(x_shape), " in layout \"", layout.name,
                "\"), which groups=", groups, " does not divide");
  if (out_channels % groups != 0)
    value_error("grad has ", out_channels, " channels (shape ", tuple_text(grad_shape), " in layout \"", layout.name,
                "\"), which groups=", groups, " does not divide");
  const Layout weights = weight_layout(arguments.weight_layout, rank, false);
  const Shape weight_shape = arrange({out_channels, in_channels / groups, kernel[0], kernel[1], kernel[2]}, weights);
  Geometry g = forward_geometry(x_shape, weight_shape, arguments, rank);
  check_gradient_shape(grad_shape, g);
  return g;
}

Geometry transposed_geometry(const Shape& x_shape, const Shape& weight_shape, py::handle output_padding,
                             const GeometryArguments& arguments) {
  Geometry g;
  const bool named = !arguments.layout.is_none();
  const int rank = named ? activation_layout(arguments.layout, 0).rank : static_cast<int>(weight_shape.size()) - 2;
  check_rank(rank, "weight", weight_shape);
  g.activations = activation_layout(arguments.layout, rank);
  g.weights = weight_layout(arguments.weight_layout, rank, true);
  check_weight(weight_shape, g);
  const auto weights = canonical(weight_shape, g.weights);
  check_ndim(x_shape, g.activations, "x", weights[0]);
  check_sizes(x_shape, g.activations, "x");

  const auto x = canonical(x_shape, g.activations);
  ConvProblem& p = g.problem;
  p.groups = as_groups(arguments.groups);
  p.batch = x[0];
  p.out_channels = x[1];
  if (weights[0] != x[1])
    channel_mismatch(x_shape, g.activations, "x", weights[0], x[1], weight_shape, g.weights, p.groups, true);
  if (x[1] % p.groups != 0)
    value_error("x has ", x[1], " channels (shape ", tuple_text(x_shape), "), which groups=", p.groups,
                " does not divide");
  if (__builtin_mul_overflow(weights[1], p.groups, &p.in_channels)) value_error("groups is too large, got ", p.groups);
  p.stride = as_spatial(arguments.stride, "stride", rank, 1, 1);
  p.dilation = as_spatial(arguments.dilation, "dilation", rank, 1, 1);
  p.flip = as_bool(arguments.flip, "flip");
  const Spatial extra = as_spatial(output_padding, "output_padding", rank, 0, 0);
  set_space(p, {1, 1, 1, 1, 1}, weights);

  std::string name;
  if (py::isinstance<py::str>(arguments.padding)) {
    name = as_text(arguments.padding);
    if (name != "valid" && name != "same" && name != "same_lower")
      refuse_choice("padding of conv_transpose", kTransposedPaddings, arguments.padding);
  } else {
    set_padding(p, arguments.padding, rank, kTransposedPaddings);
  }
  for (std::size_t a = first_axis(rank); a < 3; ++a) {
    const int64_t n = x[a + 2], extent = dilated(p, a);
    int64_t spread = 0;
    if (__builtin_mul_overflow(n - 1, p.stride[a], &spread) || spread > kMaxExtent)
      value_error("the output along ", kAxisName[a], " is too large: ", n, " positions with stride ", p.stride[a]);
    if (extra[a] >= std::max(p.stride[a], p.dilation[a]))
      value_error("output_padding must be smaller than stride or dilation, got ", extra[a], " for stride ", p.stride[a],
                  " and dilation ", p.dilation[a]);
    if (name == "same" || name == "same_lower") {
      if (extra[a] != 0) value_error("output_padding must be 0 with padding=\"", name, "\", got ", extra[a]);
      p.src[a] = spread + p.stride[a];
      pad_same(p, a, extent - p.stride[a], name == "same_lower");
      continue;
    }
    p.src[a] = spread + extent + extra[a] - p.pad_low[a] - p.pad_high[a];
    if (p.src[a] < 1)
      value_error("no output positions along ", kAxisName[a], ": padding ", p.pad_low[a], " and ", p.pad_high[a],
                  " leave ", p.src[a], " of ", spread + extent + extra[a], "; use less padding");
    // The convolution back from the result must have n outputs; what output_padding adds it does not look at.
    p.pad_high[a] = std::max<int64_t>(0, p.pad_high[a] - extra[a]);
  }
  raise_if_failed(validate(p));
  return g;
}

PoolGeometry pooling_geometry(const Shape& x_shape, const PoolArguments& arguments) {
  PoolGeometry g;
  const bool named = !arguments.layout.is_none();
  const int rank = named ? activation_layout(arguments.layout, 0).rank : static_cast<int>(x_shape.size()) - 2;
  check_rank(rank, "x", x_shape);
  g.activations = activation_layout(arguments.layout, rank);
  check_ndim(x_shape, g.activations, "x");
  check_sizes(x_shape, g.activations, "x");
  const auto src = canonical(x_shape, g.activations);
  ConvProblem& p = g.problem;
  p.batch = src[0];
  p.in_channels = p.out_channels = p.groups = src[1];
  p.kernel = as_spatial(arguments.kernel_size, "kernel_size", rank, 1, 1);
  set_space(p, src, {1, 1, p.kernel[0], p.kernel[1], p.kernel[2]});
  p.stride = arguments.stride.is_none() ? p.kernel : as_spatial(arguments.stride, "stride", rank, 1, 1);
  p.dilation = as_spatial(arguments.dilation, "dilation", rank, 1, 1);
  set_padding(p, arguments.padding, rank);
  for (std::size_t a = first_axis(rank); a < 3 && !py::isinstance<py::str>(arguments.padding); ++a)
    if (const int64_t most = std::max(p.pad_low[a], p.pad_high[a]); most > p.kernel[a] / 2)
      value_error("padding must be at most half of kernel_size ", p.kernel[a], ", got ", most,
                  "; a window of padding alone has nothing to take");
  if (as_bool(arguments.ceil_mode, "ceil_mode"))
    for (std::size_t a = first_axis(rank); a < 3; ++a) g.overhang[a] = round_up_outputs(p, a);
  check_output(p, rank);
  raise_if_failed(validate(p));
  check_windows(p, rank);
  return g;
}

Layout gradient_layout(const Shape& grad_shape, py::handle layout_name) {
  const int rank =
      layout_name.is_none() ? static_cast<int>(grad_shape.size()) - 2 : activation_layout(layout_name, 0).rank;
  check_rank(rank, "grad", grad_shape);
  const Layout layout = activation_layout(layout_name, rank);
  if (static_cast<int>(grad_shape.size()) != layout.ndim())
    value_error("grad must have ", layout.ndim(), " axes in layout \"", layout.name, "\", got shape ",
                tuple_text(grad_shape));
  return layout;
}

void check_gradient_shape(const Shape& grad_shape, const Geometry& g) {
  check_gradient_shape(grad_shape, g, g.dst_shape());
}

void check_gradient_shape(const Shape& grad_shape, const Geometry& g, const std::array<int64_t, 5>& output) {
  const Shape expected = arrange(output, g.activations);
  if (grad_shape != expected)
    value_error("grad must have the shape of the output, ", tuple_text(expected), " in layout \"", g.activations.name,
                "\", got ", tuple_text(grad_shape));
}

void check_bias_shape(const Operand& bias, int64_t channels) {
  if (bias.shape != Shape{channels})
    value_error("bias must have shape (", channels, ",), one number per output channel, got ", tuple_text(bias.shape));
}

}  // namespace tapwise::python
