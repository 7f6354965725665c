// SPDX-License-Identifier: MIT
// OpenSSL's digest and not GLib's: with SHA instructions it reads 1.8 GB/s, GLib 0.13 GB/s (EPYC, 59 MB), and an icon
// must not wait for it.
#include "plugin/source/fingerprint.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <tuple>
#include <vector>

namespace dit::plugin {
namespace {

std::string sha256(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!file || !context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return {};
  std::vector<char> piece(std::size_t{1} << 18);
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (EVP_DigestUpdate(context.get(), piece.data(), static_cast<std::size_t>(file.gcount())) != 1) return {};
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (file.bad() || EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) return {};
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

}  // namespace

std::shared_future<std::string> fingerprint(const std::filesystem::path& path) {
  using State = std::tuple<std::string, std::uintmax_t, std::filesystem::file_time_type>;
  // A process may end while a thread reads; OpenSSL must not be taken down under it.
  static const int ready = OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  (void)ready;
  static std::mutex mutex;
  // Never destroyed: another library's exit handler may still have a pipeline running.
  static auto* const known = new std::map<State, std::shared_future<std::string>>;
  std::error_code error;
  const State state{path.string(), std::filesystem::file_size(path, error),
                    std::filesystem::last_write_time(path, error)};
  const std::lock_guard lock(mutex);
  auto& result = (*known)[state];
  if (result.valid()) return result;
  try {
    result = std::async(std::launch::async, sha256, path).share();
  } catch (const std::system_error&) {
    // Under a limit of processes there is no thread for it.
    std::promise<std::string> now;
    now.set_value(sha256(path));
    result = now.get_future().share();
  }
  return result;
}

}  // namespace dit::plugin
