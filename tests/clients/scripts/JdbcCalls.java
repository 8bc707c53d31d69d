// PostgreSQL's JDBC driver: connection settings, DatabaseMetaData, prepared statements, batches.
import java.io.FileWriter;
import java.sql.*;
import java.util.*;

public class JdbcCalls {
    interface Run { void run() throws Exception; }

    static void call(String name, Run run) throws Exception {
        String error = "";
        try {
            run.run();
        } catch (Exception | AssertionError failure) {
            failure.printStackTrace();
            error = String.valueOf(failure).replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        }
        try (FileWriter file = new FileWriter(System.getenv("CLIENT_RESULTS"), true)) {
            file.write("{\"name\": \"" + name + "\", \"error\": \"" + error + "\"}\n");
        }
    }

    static void same(Object found, Object wanted) {
        if (!String.valueOf(found).equals(String.valueOf(wanted)))
            throw new AssertionError(found + " is not " + wanted);
    }

    static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> found = new ArrayList<>();
        while (rows.next()) found.add(String.valueOf(rows.getString(name)));
        return found;
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + System.getenv("CLIENT_PORT") + "/dev?user=demo&password="
            + System.getenv("CLIENT_PASSWORD");
        Connection[] opened = new Connection[1];
        call("connect", () -> opened[0] = DriverManager.getConnection(url));
        Connection it = opened[0];
        call("connect verify-full", () -> DriverManager.getConnection(
            url + "&sslmode=verify-full&sslrootcert=" + System.getenv("CLIENT_CA")).close());
        Statement statement = it.createStatement();
        for (String text : new String[] {
            "DROP SCHEMA IF EXISTS jdbc CASCADE", "CREATE SCHEMA jdbc",
            "CREATE TABLE jdbc.parent (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL)",
            "CREATE TABLE jdbc.child (id INT, parent_id INT REFERENCES jdbc.parent (id), n NUMERIC(8,2))",
            "CREATE VIEW jdbc.seen AS SELECT id FROM jdbc.child"}) statement.execute(text);
        DatabaseMetaData about = it.getMetaData();
        call("getCatalogs", () -> same(column(about.getCatalogs(), "TABLE_CAT").contains("dev"), true));
        call("getSchemas", () -> same(column(about.getSchemas(), "TABLE_SCHEM").contains("jdbc"), true));
        call("getTables", () -> same(column(
            about.getTables(null, "jdbc", "%", new String[] {"TABLE"}), "TABLE_NAME"), "[child, parent]"));
        call("getTables views", () -> same(column(
            about.getTables(null, "jdbc", "%", new String[] {"VIEW"}), "TABLE_NAME"), "[seen]"));
        call("getTableTypes", () -> about.getTableTypes().next());
        call("getColumns", () -> same(column(
            about.getColumns(null, "jdbc", "parent", "%"), "COLUMN_NAME"), "[id, name]"));
        call("getColumns size", () -> same(column(
            about.getColumns(null, "jdbc", "parent", "name"), "COLUMN_SIZE"), "[20]"));
        call("getPrimaryKeys", () -> same(column(
            about.getPrimaryKeys(null, "jdbc", "parent"), "COLUMN_NAME"), "[id]"));
        call("getImportedKeys", () -> same(column(
            about.getImportedKeys(null, "jdbc", "child"), "PKTABLE_NAME"), "[parent]"));
        call("getExportedKeys", () -> same(column(
            about.getExportedKeys(null, "jdbc", "parent"), "FKTABLE_NAME"), "[child]"));
        call("getCrossReference", () -> same(column(about.getCrossReference(
            null, "jdbc", "parent", null, "jdbc", "child"), "FKCOLUMN_NAME"), "[parent_id]"));
        call("getIndexInfo", () -> about.getIndexInfo(null, "jdbc", "parent", false, false).close());
        call("getTypeInfo", () -> about.getTypeInfo().next());
        call("getTablePrivileges", () -> about.getTablePrivileges(null, "jdbc", "%").close());
        call("getColumnPrivileges", () -> about.getColumnPrivileges(null, "jdbc", "parent", "%").close());
        call("getBestRowIdentifier", () -> about.getBestRowIdentifier(
            null, "jdbc", "parent", DatabaseMetaData.bestRowSession, true).close());
        call("getVersionColumns", () -> about.getVersionColumns(null, "jdbc", "parent").close());
        call("getProcedures", () -> about.getProcedures(null, "jdbc", "%").close());
        call("getProcedureColumns", () -> about.getProcedureColumns(null, "jdbc", "%", "%").close());
        call("getFunctions", () -> about.getFunctions(null, "pg_catalog", "len%").close());
        call("getFunctionColumns", () -> about.getFunctionColumns(null, "jdbc", "%", "%").close());
        call("getUDTs", () -> about.getUDTs(null, "jdbc", "%", null).close());
        call("getClientInfoProperties", () -> about.getClientInfoProperties().close());
        call("names and limits", () -> {
            about.getMaxColumnNameLength();
            about.getSQLKeywords();
            about.getNumericFunctions();
            about.getDatabaseProductVersion();
        });
        call("isolation", () -> {
            it.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            same(it.getTransactionIsolation(), Connection.TRANSACTION_SERIALIZABLE);
        });
        call("batch", () -> {
            try (PreparedStatement insert = it.prepareStatement("INSERT INTO jdbc.parent VALUES (?, ?)")) {
                for (int i = 0; i < 20; i++) {
                    insert.setInt(1, i);
                    insert.setString(2, "n" + i);
                    insert.addBatch();
                }
                same(insert.executeBatch().length, 20);
            }
        });
        call("prepared on the server", () -> {
            try (PreparedStatement select = it.prepareStatement("SELECT name FROM jdbc.parent WHERE id = ?")) {
                for (int i = 0; i < 10; i++) {
                    select.setInt(1, i);
                    same(column(select.executeQuery(), "name"), "[n" + i + "]");
                }
            }
        });
        call("fetch size", () -> {
            it.setAutoCommit(false);
            Statement some = it.createStatement();
            some.setFetchSize(3);
            same(column(some.executeQuery("SELECT id FROM jdbc.parent"), "id").size(), 20);
            it.commit();
            it.setAutoCommit(true);
        });
        call("ResultSetMetaData", () -> same(statement.executeQuery("SELECT name FROM jdbc.parent")
            .getMetaData().getPrecision(1), 20));
        call("isValid, setReadOnly, setSchema", () -> {
            same(it.isValid(5), true);
            it.setReadOnly(true);
            it.setReadOnly(false);
            it.setSchema("jdbc");
            same(it.getSchema(), "jdbc");
        });
        it.close();
    }
}
