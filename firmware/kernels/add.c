#include "add.h"

#include "shared_scale.h"

void mcu_add_s8(const struct mcu_add_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out) {
    const struct mcu_add_s8 l = *layer; /* out may alias anything, as far as the C compiler knows */
    for (int32_t i = 0; i < l.count; i++) {
        const int32_t sum = mcu_to_shared_scale(a[i], l.a_zero_point, l.a_factor) +
                            mcu_to_shared_scale(b[i], l.b_zero_point, l.b_factor);
        out[i] = mcu_requantize_s8(sum, l.sum_factor, l.output);
    }
}
