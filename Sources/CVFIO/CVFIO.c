// All of the module is in its header.
#include "CVFIO.h"
