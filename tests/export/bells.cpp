// The solver of csrc/plugin/bells.hpp for a test, on plain arrays.
#include "plugin/bells.hpp"

extern "C" void solve(double* gains, double* wanted, double* off, std::int64_t n, std::int64_t k, double share) {
  const auto view = [](double* data, std::int64_t rows, std::int64_t columns, int front) {
    dsp::View v;
    v.data = data;
    v.bits = 64;
    v.ndim = 2 + front;
    v.size[0] = 1;
    v.size[front] = rows;
    v.size[front + 1] = columns;
    v.stride[front] = columns;
    v.stride[front + 1] = 1;
    return v;
  };
  dsp::plugin::bells(view(gains, n, k, 1), view(wanted, n, k, 1), view(off, k, k, 0), share);
}
