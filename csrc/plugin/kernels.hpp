// The kernels of the ops that an exported chain includes, and how a program calls them.
#pragma once

#include <initializer_list>

#include "plugin/memory.hpp"

namespace dsp {

namespace plugin {
namespace {

constexpr int kMostKernels = 128;
KernelTable kernel_list[kMostKernels];
int kernel_count = 0;

/// The forward kernel of an op by its name; the headers included register them before main.
inline Kernel kernel(const char* name) {
  for (int i = 0; i < kernel_count; ++i)
    if (std::strcmp(kernel_list[i].name, name) == 0) return kernel_list[i].forward;
  return nullptr;
}

/// Arguments, results and workspaces in the order of the op's record; on this thread alone.
inline void call(Kernel run, std::initializer_list<std::int64_t> attrs, std::initializer_list<View> views) {
  Call c;
  c.views = views.begin();
  c.count = int(views.size());
  int i = 0;
  for (std::int64_t value : attrs) c.attrs[i++] = value;
  run(c);
}

}  // namespace
}  // namespace plugin

inline void add_kernels(Isa, const KernelTable& table) {
  if (plugin::kernel(table.name) == nullptr && plugin::kernel_count < plugin::kMostKernels)
    plugin::kernel_list[plugin::kernel_count++] = table;
}

}  // namespace dsp
