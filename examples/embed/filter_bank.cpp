// A photograph through a bank of filters: reads a PGM or PPM file, writes one PGM file for each feature map.
//
//   filter_bank photo.ppm out/map_
#include <tapwise/tapwise.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

// Pixels as they lie in the file: height x width x channels.
struct Image {
  std::int64_t width = 0, height = 0, channels = 0;
  std::vector<float> pixels;
};

// A number of the header, after white space and comments.
long header_number(std::istream& in) {
  while (std::isspace(in.peek()) || in.peek() == '#') {
    if (in.get() == '#') in.ignore(1 << 20, '\n');
  }
  long number = 0;
  in >> number;
  return number;
}

bool load(const char* path, Image& image) {
  std::ifstream in(path, std::ios::binary);
  char magic[2] = {};
  in.read(magic, 2);
  if (!in || magic[0] != 'P' || (magic[1] != '5' && magic[1] != '6')) return false;
  image.channels = magic[1] == '6' ? 3 : 1;
  image.width = header_number(in);
  image.height = header_number(in);
  const long most = header_number(in);
  in.get();
  if (!in || image.width < 1 || image.height < 1 || most < 1 || most > 255) return false;
  std::vector<unsigned char> bytes(static_cast<std::size_t>(image.width * image.height * image.channels));
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  image.pixels.assign(bytes.begin(), bytes.end());
  for (float& pixel : image.pixels) pixel /= static_cast<float>(most);
  return static_cast<bool>(in);
}

bool save(const std::string& path, const float* map, std::int64_t width, std::int64_t height) {
  const auto [low, high] = std::minmax_element(map, map + width * height);
  const float scale = *high > *low ? 255 / (*high - *low) : 0;
  std::ofstream out(path, std::ios::binary);
  out << "P5\n" << width << ' ' << height << "\n255\n";
  for (std::int64_t i = 0; i < width * height; ++i) out.put(static_cast<char>(std::lround((map[i] - *low) * scale)));
  return static_cast<bool>(out);
}

struct Filter {
  const char* name;
  float taps[9];
};

constexpr Filter kFilters[] = {
    {"horizontal", {-1, -2, -1, 0, 0, 0, 1, 2, 1}},  // Sobel
    {"vertical", {-1, 0, 1, -2, 0, 2, -1, 0, 1}},
    {"laplace", {0, 1, 0, 1, -4, 1, 0, 1, 0}},
    {"sharpen", {0, -1, 0, -1, 5, -1, 0, -1, 0}},
    {"blur", {0.0625f, 0.125f, 0.0625f, 0.125f, 0.25f, 0.125f, 0.0625f, 0.125f, 0.0625f}},
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return std::cerr << "filter_bank photo.ppm prefix\n", 2;
  Image image;
  if (!load(arguments[1], image)) return std::cerr << arguments[1] << ": no binary PGM or PPM file\n", 2;

  const auto filters = static_cast<std::int64_t>(std::size(kFilters));
  const tapwise::ConvProblem problem{.in_channels = image.channels,
                                     .out_channels = filters,
                                     .src = {1, image.height, image.width},
                                     .kernel = {1, 3, 3},
                                     .pad_low = {0, 1, 1},
                                     .pad_high = {0, 1, 1}};
  // Each filter sees the mean of the channels.
  std::vector<float> weights;
  for (const Filter& filter : kFilters)
    for (std::int64_t c = 0; c < image.channels; ++c)
      for (const float tap : filter.taps) weights.push_back(tap / static_cast<float>(image.channels));
  std::vector<float> maps(static_cast<std::size_t>(filters * image.height * image.width));

  // The photograph has its channels last, the maps come out one after the other: views say which.
  const auto src =
      tapwise::dense_view(image.pixels, {1, image.channels, 1, image.height, image.width}, {0, 2, 3, 4, 1});
  const auto dst = tapwise::dense_view(maps, {1, filters, 1, image.height, image.width});
  const auto bank = tapwise::dense_view(weights, {filters, image.channels, 1, 3, 3});
  if (const tapwise::Status status = tapwise::forward(problem, src, bank, nullptr, dst); !status.ok())
    return std::cerr << status.message() << '\n', 1;

  for (std::int64_t f = 0; f < filters; ++f) {
    const std::string path = std::string(arguments[2]) + kFilters[f].name + ".pgm";
    if (!save(path, maps.data() + f * image.height * image.width, image.width, image.height))
      return std::cerr << path << ": cannot be written\n", 1;
    std::cout << path << '\n';
  }
}
