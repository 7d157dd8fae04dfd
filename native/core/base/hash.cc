#include "core/base/hash.h"

#include <array>
#include <cstring>

namespace sentinode {
namespace {

constexpr size_t kLanes = 4;
constexpr uint64_t kFactor = 0x9e3779b97f4a7c15u;

// The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of the input changes every bit.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

// Four chains beside each other, so that a multiplication need not wait for the one before it.
uint64_t Hash(const void* data, size_t bytes, uint64_t seed) {
  std::array<uint64_t, kLanes> lanes{};
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = Mix(seed + i + 1);
  const auto* at = static_cast<const uint8_t*>(data);
  size_t left = bytes;
  while (left > 0) {
    uint64_t words[kLanes] = {};
    const size_t taken = left < sizeof words ? left : sizeof words;
    std::memcpy(words, at, taken);
    for (size_t i = 0; i < kLanes; ++i) {
      const uint64_t x = (lanes[i] ^ words[i]) * kFactor;
      lanes[i] = x ^ (x >> 32);
    }
    at += taken;
    left -= taken;
  }
  uint64_t sum = Mix(bytes ^ seed);
  for (const uint64_t lane : lanes) sum = Mix(sum ^ lane);
  return sum;
}

}  // namespace sentinode
