// Second-order sections in series.
#pragma once

#include "ops/shared/section.hpp"

namespace dsp {
namespace {

const Register<Recursion<Section>> kSosfilt;

}  // namespace
}  // namespace dsp
