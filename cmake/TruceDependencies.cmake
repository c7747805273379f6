# Everything comes from the Debian packages listed in deploy/packages.txt. Targets are given one name each here, so that
# the rooms need not know which packages ship CMake files and which only headers.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(BPF REQUIRED IMPORTED_TARGET libbpf)
pkg_check_modules(NLOPT REQUIRED IMPORTED_TARGET nlopt)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(LIBVIRT REQUIRED libvirt)
find_program(CLANG clang REQUIRED)

find_path(PFM_INCLUDE_DIR perfmon/pfmlib.h REQUIRED)
find_library(PFM_LIBRARY pfm REQUIRED)
add_library(truce_pfm INTERFACE)
target_include_directories(truce_pfm SYSTEM INTERFACE ${PFM_INCLUDE_DIR})
target_link_libraries(truce_pfm INTERFACE ${PFM_LIBRARY})

find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
add_library(truce_cli11 INTERFACE)
target_include_directories(truce_cli11 SYSTEM INTERFACE ${CLI11_INCLUDE_DIR})

find_path(SOCI_INCLUDE_DIR soci/soci.h REQUIRED)
find_library(SOCI_CORE_LIBRARY soci_core REQUIRED)
find_library(SOCI_SQLITE_LIBRARY soci_sqlite3 REQUIRED)
add_library(truce_soci INTERFACE)
target_include_directories(truce_soci SYSTEM INTERFACE ${SOCI_INCLUDE_DIR} ${SOCI_INCLUDE_DIR}/soci)
target_link_libraries(truce_soci INTERFACE ${SOCI_CORE_LIBRARY} ${SOCI_SQLITE_LIBRARY})

# Debian's TorchConfig.cmake asks for more than it needs; the two libraries and their headers are all there is to it.
find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/torch.h REQUIRED)
# libtorch has Gloo in it, and its headers ask for Gloo's.
find_path(GLOO_INCLUDE_DIR gloo/context.h REQUIRED)
find_library(TORCH_CPU_LIBRARY torch_cpu REQUIRED)
find_library(C10_LIBRARY c10 REQUIRED)
add_library(truce_torch INTERFACE)
target_include_directories(truce_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include
                           ${GLOO_INCLUDE_DIR})
target_link_libraries(truce_torch INTERFACE ${TORCH_CPU_LIBRARY} ${C10_LIBRARY})

# Gradient boosted trees: only to be compared with. Debian ships the C interface without a CMake file.
find_path(XGBOOST_INCLUDE_DIR xgboost/c_api.h REQUIRED)
find_library(XGBOOST_LIBRARY xgboost REQUIRED)
add_library(truce_xgboost INTERFACE)
target_include_directories(truce_xgboost SYSTEM INTERFACE ${XGBOOST_INCLUDE_DIR})
target_link_libraries(truce_xgboost INTERFACE ${XGBOOST_LIBRARY})

if(TRUCE_BUILD_TESTS)
  find_package(GTest REQUIRED)
  find_package(rapidcheck CONFIG REQUIRED)
endif()
