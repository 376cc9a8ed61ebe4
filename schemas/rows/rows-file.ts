// What the embedded ClickHouse offers beyond ClickHouse's own protocol, and the ClickHouse sink takes up: a client on the
// same machine may put the rows of an insert into a folder in memory and name the file in its request, which then has no
// body. That avoids a socket between both processes, which costs more than reading the rows.

/** Header of the answer to a `/ping` of its own user: the folder, percent-encoded. A server has no such header. */
export const rowsFolderHeader = 'X-Weir-Rows-Folder'

/** Parameter of an insert: the file's name in the folder. The file is removed with the request. */
export const rowsFileParameter = 'weir_rows_file'
