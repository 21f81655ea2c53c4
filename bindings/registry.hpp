// The table of kernels that this module was built with.
#pragma once

#include <vector>

#include "dsp/view.hpp"

namespace dsp {

/// Kernels of one instruction set in the order of their names; ops have the same index in every set.
const std::vector<KernelTable>& kernels(Isa isa);

}  // namespace dsp
