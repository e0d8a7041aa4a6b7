/*
 * Calls every method of DatabaseMetaData over a tenant, then reads with a fetch size, binary transfer and autosave.
 *
 * Arguments: the URL of a connection, the user and the password. Writes lines of a name, a tab and an answer: of a method
 * that gives rows their number, of another its value, of a refusal "E" and the SQLSTATE.
 */

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Comparator;

public class PgjdbcMetaData {
    private static final String FIRST = "SELECT number, created_at, labels, title FROM github.issues"
        + " WHERE owner = 'acme' AND repo = 'web' AND number <= 9 ORDER BY number";

    public static void main(String[] arguments) throws Exception {
        try (Connection connection = DriverManager.getConnection(arguments[0], arguments[1], arguments[2])) {
            everyMethod(connection.getMetaData());
            tables(connection.getMetaData());
            reading(connection);
            autosave(connection);
        }
    }

    private static void everyMethod(DatabaseMetaData metaData) throws Exception {
        Method[] methods = DatabaseMetaData.class.getDeclaredMethods();
        Arrays.sort(methods, Comparator.comparing(Method::getName).thenComparing(Method::getParameterCount));
        for (Method method : methods) {
            Object[] given = Arrays.stream(method.getParameterTypes()).map(type -> value(type, method)).toArray();
            if (given.length > 0 && given[0] instanceof String) {
                given[0] = "acme";
            }
            String name = "call " + method.getName() + "/" + given.length;
            try {
                Object answer = method.invoke(metaData, given);
                System.out.println(name + "\t" + (answer instanceof ResultSet rows ? "rows " + count(rows) : answer));
            } catch (InvocationTargetException error) {
                Throwable cause = error.getCause();
                System.out.println(name + "\tE " + (cause instanceof SQLException sql ? sql.getSQLState() : cause));
            }
        }
    }

    private static Object value(Class<?> type, Method method) {
        if (type == int.class) {
            return method.getName().equals("getBestRowIdentifier") ? DatabaseMetaData.bestRowSession : 1;
        }
        if (type == boolean.class) {
            return true;
        }
        return type == String.class ? "%" : null;
    }

    private static void tables(DatabaseMetaData metaData) throws SQLException {
        try (ResultSet rows = metaData.getTables("acme", "jira", "%", new String[] {"FOREIGN TABLE"})) {
            while (rows.next()) {
                System.out.println("table " + rows.getString("TABLE_NAME") + "\t" + rows.getString("REMARKS"));
            }
        }
        try (ResultSet rows = metaData.getColumns("acme", "jira", "issues", "%")) {
            while (rows.next()) {
                System.out.println("column " + rows.getString("COLUMN_NAME") + "\t" + rows.getString("TYPE_NAME"));
            }
        }
    }

    private static void reading(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        for (int time = 0; time < 3; time++) {
            try (var statement = connection.prepareStatement(FIRST)) {
                statement.setFetchSize(2);
                try (ResultSet rows = statement.executeQuery()) {
                    var columns = rows.getMetaData();
                    int sum = 0;
                    int labels = 0;
                    while (rows.next()) {
                        sum += rows.getInt(1);
                        labels += ((String[]) rows.getArray(3).getArray()).length;
                        rows.getTimestamp(2);
                    }
                    System.out.println("sum " + time + "\t" + sum);
                    System.out.println("labels " + time + "\t" + labels);
                    System.out.println("source " + time + "\t" + columns.getTableName(1) + "." + columns.getColumnName(1));
                }
            }
        }
        connection.rollback();
    }

    private static void autosave(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE TEMP TABLE kept AS " + FIRST);
            try {
                statement.executeQuery("SELECT number / 0 FROM github.issues WHERE owner = 'acme' AND repo = 'web'");
            } catch (SQLException error) {
                System.out.println("refused\t" + error.getSQLState());
            }
            try (ResultSet rows = statement.executeQuery("SELECT count(*) FROM kept")) {
                rows.next();
                System.out.println("kept\t" + rows.getInt(1));
            }
            connection.commit();
        }
    }

    private static int count(ResultSet rows) throws SQLException {
        int count = 0;
        while (rows.next()) {
            count++;
        }
        rows.close();
        return count;
    }
}
