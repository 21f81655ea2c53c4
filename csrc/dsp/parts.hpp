// The time that one thread of a driver works on: the whole of a row, or on CUDA one of the parts that a linear
// recursion is divided into (dsp/scan.hpp).
#pragma once

#include "dsp/view.hpp"

namespace dsp {
namespace {

/// All of a row: states come from the op's arguments and go to its results.
struct Whole {
  static constexpr std::int64_t begin = 0;
  std::int64_t end;
  static constexpr bool first = true, last = true, whole = true;

  template <class T>
  static DSP_HD T state(int, int) { return T(0); }
  template <class T>
  static DSP_HD void add_up(int, int, const T&) {}
};

}  // namespace
}  // namespace dsp
