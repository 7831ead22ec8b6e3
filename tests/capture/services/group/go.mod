module group.test/group

go 1.21
