// ROM images for PCs; guests.S says what they do.
#ifndef PEER_GUESTS_H
#define PEER_GUESTS_H

#include <stdint.h>

enum { PEER_IMAGE_SIZE = 0x10000 };

/// PEER_IMAGE_SIZE bytes each.
const uint8_t *peer_hello_image(void);
const uint8_t *peer_bars_image(void);

#endif
