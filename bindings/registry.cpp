#include "registry.hpp"

#include <algorithm>
#include <cstring>

namespace dsp {
namespace {

constexpr int kIsas = 3;

std::vector<KernelTable>* tables() {
  static std::vector<KernelTable> list[kIsas];  // made by the first registration, while loading
  return list;
}

}  // namespace

void add_kernels(Isa isa, const KernelTable& table) {
  std::vector<KernelTable>& list = tables()[int(isa)];
  const auto before = [](const KernelTable& a, const KernelTable& b) {
    return std::strcmp(a.name, b.name) < 0;
  };
  // An op whose functor another one includes arrives from both.
  if (std::binary_search(list.begin(), list.end(), table, before)) return;
  list.insert(std::upper_bound(list.begin(), list.end(), table, before), table);
}

const std::vector<KernelTable>& kernels(Isa isa) { return tables()[int(isa)]; }

}  // namespace dsp
