#include "strided_copy.h"

#include <string.h>

/* Single bytes, step apart. */
static inline void copy_bytes(const int8_t *in, struct mcu_copy_axis axis, int8_t *out) {
    for (int32_t i = 0; i < axis.count; i++) {
        out[i] = in[i * axis.step];
    }
}

static inline void copy_runs(const int8_t *in, struct mcu_copy_axis axis, int32_t run, int8_t *out) {
    for (int32_t i = 0; i < axis.count; i++) {
        memcpy(out + i * run, in + i * axis.step, (size_t)run);
    }
}

void mcu_strided_copy_s8(const struct mcu_strided_copy_s8 *layer, const int8_t *in, int8_t *out) {
    const struct mcu_strided_copy_s8 l = *layer;
    for (int32_t o = 0; o < l.outer.count; o++) {
        for (int32_t m = 0; m < l.middle.count; m++) {
            const int8_t *first = in + (l.start + o * l.outer.step + m * l.middle.step);
            if (l.run == 1) {
                copy_bytes(first, l.inner, out);
            } else {
                copy_runs(first, l.inner, l.run, out);
            }
            out += l.inner.count * l.run;
        }
    }
}
