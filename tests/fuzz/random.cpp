// SPDX-License-Identifier: LGPL-2.1-or-later
// usage: PROGRAM INPUTS [FILE...]
//
// A fuzzer where clang is not there, or another sanitizer is: the files, then random inputs, always
// the same ones.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
  for (int i = 2; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    if (file == nullptr) {
      fprintf(stderr, "%s cannot be read\n", argv[i]);
      return 1;
    }
    std::vector<uint8_t> data(1 << 16);
    data.resize(fread(data.data(), 1, data.size(), file));
    fclose(file);
    LLVMFuzzerTestOneInput(data.data(), data.size());
  }
  std::mt19937 random(1);
  const int inputs = argc > 1 ? atoi(argv[1]) : 1000;
  for (int i = 0; i < inputs; i++) {
    // The lengths inside are small mostly, as real ones are.
    std::vector<uint8_t> data(random() % 600);
    for (uint8_t &byte : data)
      byte = static_cast<uint8_t>(random() % 3 == 0 ? random() : random() % 4);
    LLVMFuzzerTestOneInput(data.data(), data.size());
  }
  printf("%d inputs\n", inputs);
  return 0;
}
