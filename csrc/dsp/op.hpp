// From an op's bodies to its four kernels and its line in the table.
//
// An op is a struct with kName, the counts kArguments, kResults, kWorkspaces and kScratches, the flags
// kLanes (its bodies accept packs of rows) and kWide (float32 audio is computed in float64), and two
// bodies: Forward with ports (arguments, results, workspaces) and Backward with ports (arguments,
// workspaces, scratches, gradients of the results, gradients of the arguments). Both give rows() and
// work(). A dual kernel takes the same list twice: values, then tangents.
#pragma once

#include <cstring>

#include "dsp/scan.hpp"

namespace dsp {
namespace {

/// Attributes of a call: integers such as a hop size.
struct Attrs {
  std::int64_t value[kMaxAttrs];
};

template <class Body>
Body bind(const Call& call, bool dual) {
  constexpr int kPorts = Body::kPorts;
  Port ports[kPorts];
  for (int i = 0; i < kPorts; ++i) {
    ports[i].value = call.views[i];
    if (dual) ports[i].tangent = call.views[kPorts + i];
  }
  Body body;
  static_assert(std::is_trivially_copyable_v<Body> && sizeof(Body) >= sizeof(ports));
  std::memcpy(static_cast<void*>(&body), ports, sizeof(ports));
  if constexpr (requires { body.attrs; }) std::memcpy(body.attrs.value, call.attrs, sizeof(Attrs));
  return body;
}

/// On CUDA: can the body's rows be divided along time?
template <class Body>
constexpr bool kDivides = false;
#ifdef __CUDACC__
template <class Body>
  requires Body::kScans
constexpr bool kDivides<Body> = true;
#endif

template <class Op, class Body, class Real, bool kDual>
void run_as(const Call& call) {
  const Body body = bind<Body>(call, kDual);
  if constexpr (kDivides<Body>)
    launch_parts<std::conditional_t<kDual, Dual<Real, 1>, Real>>(call, body);
  else if constexpr (Op::kLanes)
    launch_lanes<Real, kDual>(call, body, body.rows(), body.work());
  else
    launch<std::conditional_t<kDual, Dual<Real, 1>, Real>>(call, body, body.rows(), body.work());
}

/// Whether kernels for float32 are built: an exported chain mostly computes in float64 alone.
#ifndef DSP_SINGLE
#define DSP_SINGLE true
#endif

template <class Op, class Body, bool kDual>
void kernel(const Call& call) {
  if (Op::kWide || call.views[0].bits == 64)
    run_as<Op, Body, double, kDual>(call);
  else if constexpr (!Op::kWide && DSP_SINGLE)
    run_as<Op, Body, float, kDual>(call);
}

template <class Body>
Memory memory() {
  if constexpr (kDivides<Body>)
    return [](const Call& call, bool dual) {
      const Body body = bind<Body>(call, dual);
      return dual ? scan_memory<Dual<double, 1>>(body) : scan_memory<double>(body);
    };
  else
    return nullptr;
}

#ifndef DSP_ISA
#define DSP_ISA kBaseline
#endif

/// Whether the kernels that only training needs are built: an exported plug-in leaves them out.
#ifndef DSP_DERIVATIVES
#define DSP_DERIVATIVES true
#endif

/// `const Register<Op> kOp;` at the end of a header adds the op to the table of this build's kernels.
template <class Op>
struct Register {
  Register() {
    using F = typename Op::Forward;
    using B = typename Op::Backward;
    static_assert(F::kPorts == Op::kArguments + Op::kResults + Op::kWorkspaces);
    static_assert(B::kPorts == 2 * Op::kArguments + Op::kWorkspaces + Op::kScratches + Op::kResults);
    KernelTable table{Op::kName, Op::kArguments, Op::kResults, Op::kWorkspaces, Op::kScratches,
                      kChunk, kernel<Op, F, false>, nullptr, nullptr, nullptr, {memory<F>(), nullptr}};
    if constexpr (DSP_DERIVATIVES) {
      table.backward = kernel<Op, B, false>;
      table.forward_dual = kernel<Op, F, true>;
      table.backward_dual = kernel<Op, B, true>;
      table.scan[1] = memory<B>();
    }
    add_kernels(Isa::DSP_ISA, table);
  }
};

}  // namespace
}  // namespace dsp
