// Matrices of networks as hosts run them. Pure.
#pragma once

#include <Eigen/Core>

namespace truce {

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::Matrix<float, 1, Eigen::Dynamic, Eigen::RowMajor>;

}  // namespace truce
