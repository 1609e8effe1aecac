#include "add.h"

#define HEADROOM_BITS 20

static inline int32_t to_shared_scale(int8_t x, int32_t zero_point, struct mcu_factor factor) {
    return mcu_scale((x - zero_point) * (1 << HEADROOM_BITS), factor);
}

void mcu_add_s8(const struct mcu_add_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out) {
    const struct mcu_add_s8 l = *layer; /* out may alias anything, as far as the C compiler knows */
    for (int32_t i = 0; i < l.count; i++) {
        const int32_t sum = to_shared_scale(a[i], l.a_zero_point, l.a_factor) +
                            to_shared_scale(b[i], l.b_zero_point, l.b_factor);
        out[i] = mcu_requantize_s8(sum, l.sum_factor, l.output);
    }
}
