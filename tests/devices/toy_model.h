/* A handwritten model, small enough to compute by hand: 12 pixels in, three classes out. */
#ifndef TOY_MODEL_H
#define TOY_MODEL_H

#include "mcu_model.h"

#define TOY_ARENA_BYTES 16

extern const struct mcu_model toy_model;

#endif
