// Controls per frame, linear in between: which samples a frame covers, how a control moves across it, and
// what its samples owe to the controls of two frames.
#pragma once

#include "dsp/op.hpp"

namespace dsp {
namespace {

/// Frame i covers the samples [begin(i), begin(i + 1)), counted from the first one wanted.
struct FrameGrid {
  std::int64_t hop, start, length, frames;

  /// The first three attributes of every op with frames.
  DSP_HD FrameGrid(const Attrs& attrs, std::int64_t count)
      : hop(attrs.value[0]), start(attrs.value[1]), length(attrs.value[2]), frames(count) {}
  DSP_HD std::int64_t begin(std::int64_t i) const {
    const std::int64_t t = i * hop - start;
    return t < 0 ? 0 : t > length ? length : t;
  }
  DSP_HD std::int64_t frame(std::int64_t t) const { return (start + t) / hop; }
  DSP_HD std::int64_t next(std::int64_t i) const { return i + 1 < frames ? i + 1 : frames - 1; }
  /// How many samples after the start of frame i sample t lies.
  DSP_HD double place(std::int64_t i, std::int64_t t) const { return double(start + t - i * hop); }
  /// What a rise of 1 from frame to frame has added to the phase u samples after the frame's start.
  DSP_HD double ramp(double u) const { return 0.5 * u * (u - 1) / double(hop); }
};

/// A control across a frame: its value at the start, and its rise to the next frame.
template <class Wide>
struct Glide {
  Wide value, rise;

  Glide() = default;
  template <class M, class T>
  DSP_HD Glide(const Series<M, T>& control, std::int64_t i, std::int64_t j)
      : value(cast<Wide>(control[i])), rise(cast<Wide>(control[j]) - value) {}
  /// A part of the frame on, 0 to 1.
  DSP_HD Wide at(double part) const { return value + rise * Wide(part); }
  /// What a frequency has added to the phase u samples on, with the grid's ramp(u).
  DSP_HD Wide turned(double u, double ramp) const { return value * Wide(u) + rise * Wide(ramp); }
};

/// The adjoint of a glide.
template <class Wide>
struct Owed {
  Wide value = Wide(0), rise = Wide(0);

  DSP_HD void add(const Wide& g, double part) {
    value += g;
    rise += g * Wide(part);
  }
  DSP_HD void add_turned(const Wide& g, double u, double ramp) {
    value += g * Wide(u);
    rise += g * Wide(ramp);
  }
  /// Adds it to the gradients at frame i, if that is `own` to the caller, and at the next one, j.
  template <class M, class T>
  DSP_HD void give(const Series<M, T>& g, std::int64_t i, std::int64_t j, bool own = true, bool after = true) const {
    if (!g.value && !g.tangent) return;
    if (own) g.add_out(i, cast<T>(value - rise));
    if (after) g.add_out(j, cast<T>(rise));
  }
};

/// Zero at frame i of every port (b, f) that is there, and of its tangent.
template <class... Ports>
DSP_HD void clear_frame(std::int64_t row, std::int64_t i, const Ports&... ports) {
  (ports.store(Dual<double, 1>(0.0), row, i), ...);
}

// Where a frame's samples depend on no other frame's, a CPU thread takes a row and a GPU thread a frame.

/// The launcher's items for controls (b, f).
inline std::int64_t frame_items(const Port& control) {
#ifdef __CUDACC__
  return control.size(0) * control.size(1);
#else
  return control.size(0);
#endif
}
/// Calls work(row, i) for the frames of an item.
template <class Work>
DSP_HD void each_frame(const FrameGrid& grid, std::int64_t item, Work work) {
#ifdef __CUDACC__
  work(item / grid.frames, item % grid.frames);
#else
  for (std::int64_t i = 0; i < grid.frames; ++i) work(item, i);
#endif
}
/// Calls clear(row, i) for the frames of an item and then work(row, i, own, after), which owes to frame i
/// and to the one after: what the frame before owes to a GPU thread's is computed again rather than shared.
template <class Clear, class Work>
DSP_HD void each_frame_back(const FrameGrid& grid, std::int64_t item, Clear clear, Work work) {
#ifdef __CUDACC__
  const std::int64_t row = item / grid.frames, i = item % grid.frames;
  clear(row, i);
  work(row, i, true, grid.next(i) == i);
  if (i > 0) work(row, i - 1, false, true);
#else
  for (std::int64_t i = 0; i < grid.frames; ++i) clear(item, i);
  for (std::int64_t i = 0; i < grid.frames; ++i) work(item, i, true, true);
#endif
}

}  // namespace
}  // namespace dsp
