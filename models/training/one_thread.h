// The matrices are small: threads of libtorch's and of its BLAS would only wait for each other, for most of the time.
#pragma once

namespace truce {

// For the calling thread's libtorch, and for BLAS in the whole process.
void UseOneThread();

}  // namespace truce
