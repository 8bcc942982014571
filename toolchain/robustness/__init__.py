"""The worst case over several attacks, image by image."""
