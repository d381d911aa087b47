/* Names of functions that are compiled several times: name_f32_16 and the like. */

#ifndef FASTLSTM_NAMES_H
#define FASTLSTM_NAMES_H

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

#define INLINE static inline __attribute__((always_inline))

#endif
