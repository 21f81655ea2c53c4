// What filters of any order tell dsp/scan.hpp: up to kFew states a thread holds in registers, up to kMostDivided in local memory.
// Above that the walk over the maps, order by order numbers each, would take as long as the row.
#pragma once

#include "dsp/op.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

constexpr int kFew = 4, kMostDivided = 32;

/// `Body` is the pass of an op with a state (b, c, order), `Step` its sample for at most so many states.
template <class Body, template <int> class Step, bool kBackwards>
struct AnyOrder {
  static constexpr bool kScans = true, kBack = kBackwards, kPrecise = true, kReplays = false;
  static constexpr int kMostStages = 1;
  using Scanned = Step<kFew>;
  struct Large : Step<kMostDivided> {
    static constexpr bool kVariable = true;
  };

  DSP_HD const Body& body() const { return static_cast<const Body&>(*this); }
  DSP_HD bool divisible() const { return body().order() > 0 && body().order() <= kMostDivided; }
  DSP_HD int states() const { return body().order() > kFew ? body().order() : kFew; }
  DSP_HD int stages() const { return 1; }
  static DSP_HD bool wanted(const Port& gradient) { return gradient.given() || gradient.tangent.data; }
  DSP_HD const Port& signal() const {
    if constexpr (kBack)
      return body().gy;
    else
      return body().x;
  }
  template <class T>
  DSP_HD T entry(const Rows& rows, int, int i) const {
    if (i >= body().order()) return T(0);
    if constexpr (kBack)
      return load<T>(body().gstate_out, rows, i);
    else
      return load<T>(body().state, rows, i);
  }
};

}  // namespace
}  // namespace dsp
