// Ridge and logistic regression on standardised features.
#pragma once

#include <Eigen/Core>
#include <vector>

#include "models/interference/example.h"

namespace truce::lab {

class LinearModel {
 public:
  // One row of `features` per example; `ridge` is the penalty per example on standardised coefficients.
  void Fit(const Eigen::MatrixXd& features, const ExampleList& examples, double ridge);
  std::vector<InterferencePrediction> Predict(const Eigen::MatrixXd& features) const;

 private:
  Eigen::MatrixXd Standardised(const Eigen::MatrixXd& features) const;
  Eigen::RowVectorXd mean_;
  Eigen::RowVectorXd scale_;
  Eigen::VectorXd size_;         // of log(1 + slowdown); the last is the intercept
  Eigen::VectorXd probability_;  // of the logit
  double deviation_ = 0;
};

}  // namespace truce::lab
