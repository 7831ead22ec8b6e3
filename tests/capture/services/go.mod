module memsnap.test/capture

go 1.21

require group.test/group v0.0.0

replace group.test/group => ./group
