import numpy
generator = None

def connect():
    global generator
    generator = numpy.random.default_rng()
    numpy.random.seed()

def use():
    numpy.random.rand(), generator.random()
