import numpy

def use():
    matrix = numpy.full((400, 400), 2.0)
    assert (matrix @ matrix == 1600).all()
    numpy.linalg.inv(matrix + numpy.eye(400))
