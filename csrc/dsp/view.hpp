// What crosses the border: tensors as views, one call as a list of them. Plain data, the same in
// every translation unit, so it is the only part of csrc with ordinary linkage.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define DSP_HD __host__ __device__ inline
#else
#define DSP_HD inline
#endif

namespace dsp {

constexpr int kMaxDims = 6;
constexpr int kMaxAttrs = 8;

/// A strided tensor: strides count elements, 0 repeats an element. `data` is null for a tensor left out.
struct View {
  void* data = nullptr;
  std::int32_t bits = 0;  ///< 32 for float, 64 for double
  std::int32_t ndim = 0;
  std::int64_t size[kMaxDims] = {};
  std::int64_t stride[kMaxDims] = {};
};

/// One kernel call. `views` come in the order that the op's record in Python lists them.
struct Call {
  const View* views = nullptr;
  int count = 0;
  std::int64_t attrs[kMaxAttrs] = {};
  int threads = 1;
  int device = 0;  ///< of the tensors, and of the stream
  void* stream = nullptr;
  View scratch;  ///< as many float64 numbers as `KernelTable::scan` asks for
};

using Kernel = void (*)(const Call&);
using Memory = std::int64_t (*)(const Call&, bool dual);

/// The four kernels of an op for one instruction set. The dual ones carry tangents beside values:
/// they are the forward-mode derivative and, through the adjoint, the second derivative.
struct KernelTable {
  const char* name;
  int arguments, results, workspaces, scratches;
  int chunk;  ///< samples between two kept states: sizes the workspaces
  Kernel forward, backward, forward_dual, backward_dual;
  Memory scan[2] = {nullptr, nullptr};  ///< float64 numbers that forward and backward, plain or dual, want beside their views
};

enum class Isa : int { kBaseline = 0, kV3 = 1, kV4 = 2 };

/// Adds an op's kernels to the table of `isa`; called while the module loads.
void add_kernels(Isa isa, const KernelTable& table);

}  // namespace dsp
