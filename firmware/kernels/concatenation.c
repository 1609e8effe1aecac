#include "concatenation.h"

#include <string.h>

void mcu_concatenation_s8(const struct mcu_concatenation_s8 *layer, const int8_t *const *inputs,
                          int8_t *out) {
    const struct mcu_concatenation_s8 l = *layer;
    for (int32_t o = 0; o < l.outer; o++) {
        for (int32_t i = 0; i < l.count; i++) {
            memcpy(out, inputs[i] + o * l.runs[i], (size_t)l.runs[i]);
            out += l.runs[i];
        }
    }
}
