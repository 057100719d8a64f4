"""Pictures of what is within a model: activations, attention, memory, saliency."""
