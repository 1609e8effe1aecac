#include "pad.h"

#include <string.h>

/* Writes count values; returns where the next ones go. */
static inline int8_t *fill(int8_t *out, int32_t value, int32_t count) {
    memset(out, value, (size_t)count);
    return out + count;
}

void mcu_pad_s8(const struct mcu_pad_s8 *layer, const int8_t *in, int8_t *out) {
    const struct mcu_pad_s8 l = *layer;
    const int32_t row = l.inner.before + l.inner.size + l.inner.after;
    const int32_t plane = (l.middle.before + l.middle.size + l.middle.after) * row;
    out = fill(out, l.value, l.outer.before * plane);
    for (int32_t o = 0; o < l.outer.size; o++) {
        out = fill(out, l.value, l.middle.before * row);
        for (int32_t m = 0; m < l.middle.size; m++) {
            out = fill(out, l.value, l.inner.before);
            memcpy(out, in, (size_t)l.inner.size);
            in += l.inner.size;
            out = fill(out + l.inner.size, l.value, l.inner.after);
        }
        out = fill(out, l.value, l.middle.after * row);
    }
    fill(out, l.value, l.outer.after * plane);
}
